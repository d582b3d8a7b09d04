/** One side of the comparison: a job with its clock, its progress and its video. */

import {problemCard, readJob} from "./api.js";
import {follow} from "./events.js";
import {cancel, failure, newName, put} from "./jobs.js";
import {formatted, t, url} from "./page.js";

/** A measured time: `8.21 s`. */
export const seconds = value => t("common.seconds", {n: formatted(value, 2)});

/** Dispatches `change` when its job begins or ends. */
export class Pane extends EventTarget {
  /** Name of its job; null: none. */
  job = null;
  /** The job's timing JSON, once it is done. */
  report = null;
  /** Why its job failed or was refused. */
  problem = null;
  /** What it is to make later. */
  postponed = null;

  #root; #began = null; #unfollow = () => {};

  /** @param {HTMLElement} root @param {string} mode sequential or parallel */
  constructor(root, mode) {
    super();
    this.#root = root;
    this.mode = mode;
    this.video = root.querySelector("video");
    this.#reset(null);
  }

  /** Make a video. Resolves when the job has ended, well or badly. `job` lacks its mode. */
  async generate(job) {
    this.#reset(newName(this.mode));
    this.#start(Date.now());
    this.dispatchEvent(new Event("change"));
    try {
      await put(this.job, {...job, mode: this.mode});
      await this.#follow();
    } catch (problem) {
      this.#fail(problem);
    }
  }

  /** Show a job that was begun earlier. Resolves when it has ended. */
  async show(job) {
    this.#reset(job);
    try {
      const found = await readJob(job);
      if (found.report) {
        this.#end(found);
      } else {
        this.#start(Number(sessionStorage.getItem(job)) || Date.now());
        await this.#follow();
      }
    } catch (problem) {
      this.#fail(problem);
    }
  }

  /** Make a video later, when the other one is done. */
  postpone(job) {
    this.#reset(null);
    this.postponed = job;
    this.#show("postponed", t("comparison.postponed"));
    this.dispatchEvent(new Event("change"));
  }

  /** Cancel its job. */
  cancel() { cancel(this.job); }

  /** Whether its job runs, or is to run. */
  get isBusy() { return ["postponed", "running"].includes(this.#root.dataset.state); }

  #part(name) { return this.#root.querySelector(`[data-part=${name}]`); }

  #reset(job) {
    this.#unfollow();
    [this.job, this.report, this.problem, this.postponed, this.#began] = [job, null, null, null, null];
    this.video.removeAttribute("src");
    this.video.load();
    this.#part("clock").textContent = seconds(0);
    this.#part("bar").style.width = 0;
    this.#part("problem").replaceChildren();
    this.#show("empty", "");
  }

  #start(began) {
    this.#began = began;
    sessionStorage.setItem(this.job, began);  // so that the clock goes on after a reload
    this.#show("running", t("common.status_queued"));
    this.#tick();
  }

  #tick() {
    if (this.#began === null) return;
    this.#part("clock").textContent = seconds((Date.now() - this.#began) / 1000);
    requestAnimationFrame(() => this.#tick());
  }

  #follow() {
    return new Promise(resolve => {
      const end = state => resolve(this.#end(state));
      this.#unfollow = follow(this.job, {
        progress: state => this.#progress(state),
        done: end,
        failed: end,
        gone: problem => resolve(this.#fail(problem)),
      });
    });
  }

  #progress({stage, progress}) {
    this.#part("bar").style.width = `${progress}%`;
    this.#show("running", `${t(`common.stage_${stage ?? "queued"}`)} · ${progress} %`);
  }

  #end({report, links}) {
    if (report.status === "failed") {
      this.#fail(failure({report}));
      return;
    }
    [this.report, this.#began] = [report, null];
    this.#part("clock").textContent = seconds(report.timing.total_seconds);
    this.#part("download").href = this.video.src = links.video;
    this.#part("report").href = url(`/jobs/${this.job}`);
    this.#show("done", t("comparison.speech", {seconds: seconds(report.audio.seconds)}));
    this.dispatchEvent(new Event("change"));
  }

  #fail(problem) {
    [this.problem, this.#began] = [problem, null];
    this.#part("problem").replaceChildren(problemCard(problem));
    this.#show("failed", "");
    this.dispatchEvent(new Event("change"));
  }

  #show(state, text) {
    this.#root.dataset.state = state;
    this.#part("state").textContent = text;
  }
}
