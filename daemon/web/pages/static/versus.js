/** A comparison as one page, which needs no network: the videos in step, their timelines and times. */

import {embeddedVideo} from "./embedded.js";
import {saidIn} from "./facts.js";
import {lengthOf, timeline} from "./gantt.js";
import {byId, formatted, given, h, t} from "./page.js";
import {Transport} from "./transport.js";

const {ways, notes, title} = given;
const [sequential, parallel] = ways;
const seconds = value => t("common.seconds", {n: formatted(value, 2)});
const times = value => `${formatted(value, 2)}×`;

// The videos

function pane(way) {
  const src = way.source.url ?? embeddedVideo(way.source.id);
  way.video = h("video", {playsinline: true, preload: "auto", src, "aria-label": way.title});
  return h("section", {class: "card pane", "data-state": "done"},
    h("header", {}, h("h2", {}, way.title), h("p", {class: "small dim"}, spread(way)), h("p", {class: "clock"}, seconds(way.median))),
    h("div", {class: "stage"}, way.video),
    h("footer", {}, h("p", {class: "small dim"}, way === sequential ? t("versus.reference") : t("versus.differs", {n: way.difference}))));
}

const spread = ({totals}) => totals.length === 1 ? t("versus.once") : t("versus.spread", {least: formatted(Math.min(...totals), 2), most: formatted(Math.max(...totals), 2), n: formatted(totals.length)});

// The figures

function verdict() {
  return h("section", {class: "card verdict"},
    h("p", {class: "speed-up"}, h("strong", {id: "speed-up"}, times(parallel.speed_up)), " ",
      h("span", {class: "dim"}, t(parallel.speed_up >= 1 ? "comparison.faster" : "comparison.slower"))),
    h("div", {class: "stack"},
      h("p", {}, t("comparison.totals", {sequential: seconds(sequential.median), parallel: seconds(parallel.median)})),
      h("p", {class: "small dim"}, t("comparison.measured"))));
}

function table() {
  const columns = ["total", "speed_up", "tts", "split", "lipsync", "merge", "first", "differing"];
  const cells = ({median, speed_up: ratio, difference, report: {timing}}, index) => [seconds(median), index ? times(ratio) : "",
    seconds(timing.tts_seconds), seconds(timing.convert_seconds + timing.split_seconds), seconds(timing.lipsync_seconds),
    seconds(timing.merge_seconds), seconds(timing.first_segment_seconds), difference];
  return h("div", {class: "scroll"}, h("table", {class: "figures"},
    h("thead", {}, h("tr", {}, h("th", {}), columns.map(name => h("th", {scope: "col"}, t(`versus.${name}`))))),
    h("tbody", {}, ways.map((way, index) => h("tr", {}, h("th", {scope: "row"}, way.title), cells(way, index).map(text => h("td", {}, text)))))));
}

function timelines() {
  const length = Math.max(...ways.map(({report}) => lengthOf(report)));
  return h("section", {class: "card stack", id: "timelines"}, h("h2", {}, t("comparison.timelines")),
    ways.map(way => h("figure", {}, h("figcaption", {}, `${way.title} `, h("span", {class: "dim"}, seconds(way.report.timing.total_seconds))),
      timeline(way.report, length))));
}

const transport = new Transport(ways);
byId("main").append(h("div", {class: "stack"},
  h("header", {class: "intro"}, h("h1", {}, sequential.report.sentences.length ? saidIn(sequential.report) : title), h("p", {class: "dim"}, t("versus.lead", {seconds: seconds(sequential.report.audio.seconds)}))),
  h("div", {class: "panes"}, ways.map(pane)), transport.element, verdict(),
  h("section", {class: "card stack"}, h("h2", {}, t("versus.figures")), table(), notes.map(note => h("p", {class: "small dim"}, note))),
  timelines()));
transport.show(ways);
