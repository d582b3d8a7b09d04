"""Measure streams from the viewer's side: `python -m benchmarks.streaming`.

Measures the time to the first piece and how far rendering stays ahead of playback. Prints Markdown, and exits with 1 if
the built-in engine makes viewers wait. Run it on an idle machine: the load is printed too.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from daemon.bench.measure import seeded_models
from daemon.bench.trial import Trial
from daemon.outputs.report import DoneReport, FailedReport
from daemon.spool.layout import PLAYLIST
from pipeline.config import DEFAULT_MODELS, Config

TEXTS = {
    "ru": "Положите текст в папку, и говорящий портрет начнёт его произносить почти сразу. "
    "Пока звучит первое предложение, второе уже готово, а третье ещё рисуется, и никто ничего не ждёт. "
    "Губы двигаются вместе с речью. Звук и картинка совпадают с точностью до кадра. ",
    "en": "Put a text into the folder, and the talking portrait will begin to speak almost at once. "
    "While the first sentence is heard the second one is ready, and the third one is still being drawn. "
    "The lips move along with the speech. Sound and picture match to the frame. ",
}
LENGTHS = (30, 120)
"""Approximate seconds of speech."""
FIRST_SECONDS_MAX = 1.0
"""Limit for the built-in engine's first piece, 95th percentile."""
CHARACTERS_PER_SECOND = {"ru": 18.0, "en": 19.4}
PLACES = {
    "ru": ("в школе", "на заводе", "в музее", "на вокзале", "в больнице", "в театре", "на рынке"),
    "en": ("at school", "at work", "in the museum", "at the station", "in hospital", "at the theatre", "in town"),
    "kk": ("мектепте", "зауытта", "мұражайда", "вокзалда", "ауруханада", "театрда", "базарда"),
}
FIRST_SENTENCES = {
    "short": {"ru": "Мы {}!", "en": "We are {}!", "kk": "Біз {}!"},
    "long": {
        "ru": "Сегодня {} расскажут о том, как говорящий портрет начинает речь почти сразу после того, "
        "как ему дали текст.",
        "en": "Today {} they will tell us how a talking portrait begins to speak almost as soon as it is given a text.",
        "kk": "Бүгін {} сөйлейтін портреттің мәтін берілген соң бірден дерлік сөйлей бастайтыны туралы айтып береді.",
    },
    "very long": {
        "ru": "Продолжительность первого предложения {} определяется исключительно обстоятельствами "
        "сопровождающими государственное строительство промышленных предприятий и исследовательских учреждений, "
        "поэтому зрители ожидают его значительно дольше остальных предложений, которые звучат после него.",
        "en": "The extraordinarily complicated circumstances accompanying international pharmaceutical investigations "
        "{} necessitate considerably lengthier introductory explanations than contemporary audiences would ordinarily "
        "anticipate, which is why everybody waits for this sentence longer than for all that follow.",
        "kk": "Халықаралық фармацевтикалық зерттеулермен байланысты ерекше күрделі жағдайлар {} заманауи "
        "көрермендердің әдетте күткенінен әлдеқайда ұзағырақ кіріспе түсіндірмелерді қажет етеді, "
        "сондықтан барлығы осы сөйлемнің басталуын кейінгілерінен ұзағырақ күтеді.",
    },
}
"""By their length: the beginning of a stream must not depend on it. Seven of each in every language."""
OTHERS = {**TEXTS, "kk": "Бірінші сөйлем айтылып жатқанда екіншісі дайын болады. Ерін сөзбен бірге қозғалады. " * 2}


def text_of(language: str, seconds: float) -> str:
    """A text that takes about `seconds` to speak."""
    text = TEXTS[language]
    return (text * 100)[: round(seconds * CHARACTERS_PER_SECOND[language])].rpartition(".")[0] + "."


def stream(trial: Trial, name: str, language: str, text: str) -> tuple[float, DoneReport]:
    """Drop a job; return the seconds until its first piece is playable, and its report."""
    playlist, ending = trial.spool.outbox / name / PLAYLIST, trial.spool.outbox / f"{name}.json"
    start = time.monotonic()
    trial.drop(name, mode="stream", text=text, language=language)
    trial.until(lambda: playlist.exists() or ending.exists())
    seconds = time.monotonic() - start
    report = trial.ending(name)
    if isinstance(report, FailedReport):
        sys.exit(f"{name}: {report.error.message}")
    return seconds, report


def least_slack(report: DoneReport) -> float:
    """The smallest time between a piece's completion and its playback, in seconds; negative: playback would stall."""
    return min((chunk.slack_seconds for chunk in report.chunks[1:] if chunk.slack_seconds is not None), default=0.0)


def long_streams(trial: Trial) -> list[float]:
    """Print a line for each language and length; return the smallest slack of each."""
    slacks = []
    print("| language | text | audio s | first piece s | least slack s | rendered in s |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for code in TEXTS:
        for length in LENGTHS:
            seconds, report = stream(trial, f"{code}-{length}", code, text_of(code, length))
            slacks.append(slack := least_slack(report))
            total, audio = report.timing.total_seconds, report.audio.seconds
            print(f"| {code} | {length} s | {audio:.1f} | {seconds:.2f} | {slack:.2f} | {total:.1f} |", flush=True)
    return slacks


def first_pieces(trial: Trial, places: int) -> tuple[list[float], list[float]]:
    """Print a line for each length of the first sentence; return the seconds to all first pieces, and the slacks."""
    print("\n| first sentence | streams | p50 s | p95 s | slowest s |\n| --- | ---: | ---: | ---: | ---: |")
    seconds, slacks = list[float](), list[float]()
    for kind, sentences in FIRST_SENTENCES.items():
        ended = []
        for number in range(places):
            for code, sentence in sentences.items():
                text = f"{sentence.format(PLACES[code][number])} {OTHERS[code]}"
                ended.append(stream(trial, f"{kind.replace(' ', '-')}-{code}-{number}", code, text))
        found = sorted(first for first, _ in ended)
        p50, p95 = statistics.median(found), percentile_95(found)
        print(f"| {kind} | {len(found)} | {p50:.2f} | {p95:.2f} | {found[-1]:.2f} |", flush=True)
        seconds += found
        slacks += [least_slack(report) for _, report in ended]
    return sorted(seconds), slacks


def percentile_95(values: list[float]) -> float:
    """Of sorted values."""
    return values[max(0, round(0.95 * len(values)) - 1)]


def main() -> None:
    """Measure and print; exit with 1 if the built-in engine starts late or stalls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("builtin", "wav2lip"), default="builtin")
    parser.add_argument("--texts", type=int, choices=range(1, 8), default=7, help="of each length in each language")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as spool:
        models = seeded_models(Path(scratch), DEFAULT_MODELS) if options.engine == "wav2lip" else {}
        with Trial(Path(spool), Config(models=models)) as trial:
            for code, text in OTHERS.items():
                stream(trial, f"warm-up-{code}", code, text)
            slacks = long_streams(trial)
            firsts, more_slacks = first_pieces(trial, options.texts)
    p95 = percentile_95(firsts)
    print(
        f"\n{options.engine}: first piece of {len(firsts)} jobs: p50 {statistics.median(firsts):.2f} s, p95 {p95:.2f} s"
    )
    print(f"{os.cpu_count()} cores; load before {load:.1f}, after {os.getloadavg()[0]:.1f}")
    late = p95 > FIRST_SECONDS_MAX or min(slacks + more_slacks) < 0
    sys.exit(options.engine == "builtin" and late)


if __name__ == "__main__":
    main()
