@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a server for a folder."""
    with play.serve(folder, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield play.address(server)
        server.shutdown()
        thread.join()


def answer(address: str, path: str, **headers: str) -> tuple[int, bytes]:
    host = address.split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    return response.status, response.read()


def test_only_a_streams_folder_is_served_and_only_to_this_machine(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    folder = tmp_path / "stream"
    folder.mkdir()
    (folder / "a.m4s").write_bytes(b"0123456789")
    with served(folder) as address:
        assert address.startswith("http://127.0.0.1:")
        assert answer(address, "/a.m4s") == (200, b"0123456789")
        later = {"If-Modified-Since": "Fri, 31 Dec 2100 23:59:59 GMT"}  # a playlist may change twice in a second
        assert answer(address, "/a.m4s", **later) == (200, b"0123456789")
        assert answer(address, "/a.m4s", Range="bytes=2-4") == (206, b"234")
        assert answer(address, "/a.m4s", Range="bytes=7-") == (206, b"789")
        assert answer(address, "/a.m4s", Range="bytes=10-")[0] == 416
        assert answer(address, "/../secret")[0] == 404
        assert answer(address, "/%2e%2e/secret")[0] == 404
        assert answer(address, "/")[0] == 404
        assert answer(address, "/a.m4s", Host="evil.example")[0] == 403


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium")
def test_a_browser_plays_it_while_it_renders(daemon: RunningDaemon, tmp_path: Path) -> None:
    assert any(watched(daemon, f"watched-{number}", tmp_path) for number in range(ATTEMPTS)), "it stalls each time"


def watched(daemon: RunningDaemon, name: str, folder: Path) -> bool:
    """Play a stream in a browser to its end; whether it ran before the job had ended, and never stalled."""
    argv = [sys.executable, "-m", "daemon", "play", name]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with Browser(folder / f"{name}-profile") as browser:
        # By one worker, and of many frames: so that rendering lasts.
        begun(daemon, name, captions=True, text=RUSSIAN + RUSSIAN[:90], size="480x480", fps=50, num_workers=1)
        server = subprocess.Popen(argv, cwd=daemon.spool, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            address = server.stdout.readline().strip()
            browser.open(address)
            until(lambda: browser.value(COUNT_STALLS), "page")
            until(lambda: (browser.value("video.currentTime") or 0) > 0 or None, "playing")
            in_time = not (daemon.spool / "outbox" / f"{name}.json").exists()
            earlier = browser.value("video.currentTime")
            until(lambda: browser.value("video.currentTime") > earlier + 1 or None, "going on")
            assert re.fullmatch(r"piece \d+ of \d+", browser.value("count.textContent"))
            until(lambda: browser.value("cues.cues.length") or None, "captions")
            until(lambda: browser.value("ended") or None, "end of the playlist")
            browser.screenshot(folder / f"{name}.png")
            until(lambda: browser.value("video.ended") or None, "end of the video")
            seconds = daemon.ending(name)["audio"]["seconds"]
            assert browser.value("video.currentTime") == pytest.approx(seconds, abs=0.1)
            assert browser.complaints == []
            assert all(url.startswith((address.rpartition("/")[0], "data:", "blob:")) for url in browser.requests)
            return in_time and browser.value("stalls") == 0
        finally:
            server.terminate()
            server.communicate(timeout=10)


def test_nothing_is_played_that_is_no_stream(daemon: RunningDaemon) -> None:
    (daemon.spool / "outbox" / "folder").mkdir()
    spool = Spool(daemon.spool)
    assert spool.stream("folder") is None
    assert spool.stream("../outbox") is None
    spool.remove_stream("folder")
    assert (daemon.spool / "outbox" / "folder").is_dir()
