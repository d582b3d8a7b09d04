// Reads a stream's folder as a strict parser of playlists and MP4Box's parser do; writes what they found as JSON.
// Usage: node read.js FOLDER
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import HLS from "hls-parser";
import { createFile, Log } from "mp4box";

const folder = process.argv[2];
const text = (name) => readFileSync(join(folder, name), "utf8");
const warnings = [];
for (const level of ["warn", "error"]) Log[level] = (module, message) => warnings.push(`${module}: ${message}`);
HLS.setOptions({ strictMode: true });

const playlists = {};
for (const name of readdirSync(folder).filter((file) => file.endsWith(".m3u8"))) playlists[name] = HLS.parse(text(name));

const segments = playlists["index.m3u8"].segments.map((segment) => segment.uri);
const file = createFile(true);
const samples = [];
file.onError = (module, message) => warnings.push(`${module}: ${message}`);
file.onReady = ({ tracks }) => {
    for (const track of tracks) file.setExtractionOptions(track.id, track.codec, { nbSamples: 1 });
    file.start();
};
file.onSamples = (_, codec, found) => {
    for (const { dts, cts, duration, is_sync, moof_number } of found)
        samples.push({ codec, dts, cts, duration, is_sync, fragment: moof_number });
};
let place = 0;
for (const name of [playlists["index.m3u8"].segments[0].map.uri, ...segments]) {
    const data = Uint8Array.from(readFileSync(join(folder, name))).buffer;
    data.fileStart = place;
    place += data.byteLength;
    file.appendBuffer(data);
}
file.flush();
const { brands, isFragmented, tracks } = file.getInfo();
const variants = playlists["master.m3u8"].variants.map(({ bandwidth, averageBandwidth, codecs, resolution, frameRate }) => ({
    bandwidth, averageBandwidth, codecs, resolution, frameRate,
}));
const boxes = file.boxes.map((box) => box.type);
console.log(JSON.stringify({
    playlists: Object.keys(playlists), segments, variants, warnings, brands, isFragmented, boxes, samples,
    codecs: tracks.map((track) => track.codec),
}));
