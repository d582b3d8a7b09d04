/** Comparisons of several lengths of speech as one page, which needs no network. */

import {byId, formatted, given, h, t} from "./page.js";

const {rows, notes} = given;
const longest = Math.max(...rows.flatMap(({ways}) => ways.flatMap(({totals}) => totals)));
const seconds = (value, digits = 1) => t("common.seconds", {n: formatted(value, digits)});
const times = value => `${formatted(value, 2)}×`;

/** A length: a bar for each way, with a mark from the fastest to the slowest run. */
function chart({seconds: length, ways, page}) {
  return h("figure", {}, h("figcaption", {}, h("a", {href: page}, t("versus.speech_of", {seconds: seconds(length)}))),
    h("dl", {class: "bars"}, ways.flatMap((way, index) => [
      h("dt", {}, way.title),
      h("dd", {}, h("span", {class: "bar-track"}, bar(way), spread(way)),
        h("span", {class: "clock small"}, seconds(way.median), index ? ` · ${times(way.speed_up)}` : "")),
    ])));
}

function bar({median}) {
  const found = h("i", {class: "bar-median"});
  found.style.width = share(median);
  return found;
}

function spread({totals}) {
  if (totals.length === 1) return null;
  const found = h("i", {class: "bar-spread", title: said(totals)});
  found.style.left = share(Math.min(...totals));
  found.style.width = share(Math.max(...totals) - Math.min(...totals));
  return found;
}

const share = value => `${100 * value / longest}%`;

const said = totals => totals.length === 1 ? t("versus.once")
  : t("versus.spread", {least: formatted(Math.min(...totals), 2), most: formatted(Math.max(...totals), 2), n: formatted(totals.length)});

function table() {
  const heads = rows[0].ways.flatMap(({title}, index) => index ? [title, t("versus.speed_up")] : [title]);
  const cells = ({ways, predecessor: [before, after]}) => [
    ...ways.flatMap((way, index) => index ? [seconds(way.median, 2), times(way.speed_up)] : [seconds(way.median, 2)]),
    ways[1].difference, `${formatted(before, 1)} / ${formatted(after, 1)} (${times(before / after)})`,
  ];
  return h("div", {class: "scroll"}, h("table", {class: "figures"},
    h("thead", {}, h("tr", {}, [t("versus.speech"), ...heads, t("versus.differing"), t("versus.predecessor")].map(name => h("th", {scope: "col"}, name)))),
    h("tbody", {}, rows.map(row => h("tr", {}, h("th", {scope: "row"}, h("a", {href: row.page}, seconds(row.seconds))), cells(row).map(text => h("td", {}, text)))))));
}

byId("main").append(h("div", {class: "stack"},
  h("header", {class: "intro"}, h("h1", {}, t("versus.suite")), h("p", {class: "dim"}, t("versus.suite_lead"))),
  h("section", {class: "card stack", id: "lengths"}, h("h2", {}, t("versus.by_length")), rows.map(chart)),
  h("section", {class: "card stack"}, h("h2", {}, t("versus.figures")), table(), notes.map(note => h("p", {class: "small dim"}, note)))));
