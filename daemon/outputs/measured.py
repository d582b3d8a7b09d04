"""Builds the reports of jobs from their flows."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from daemon.outputs import captions
from daemon.outputs.clips import with_clips
from daemon.outputs.machine import this_machine
from daemon.outputs.report import (
    Audio,
    AvatarReport,
    ChunkReport,
    DoneReport,
    ExtraReport,
    FaceReport,
    FailedReport,
    ProvenanceReport,
    RunError,
    RunReport,
    SceneReport,
    SentenceReport,
    SettingsReport,
    Submission,
    Timing,
    Video,
    WarningReport,
    WordReport,
    failed_report,
    rounded,
    timestamp,
)
from daemon.scheduling.flow import Flow, Take
from daemon.scheduling.history import Run
from daemon.scheduling.stream_flow import StreamFlow
from pipeline.errors import ErrorReport
from pipeline.extras import SUFFIXES
from pipeline.job import Job, job_warnings
from pipeline.messages import PCM_RATE_HZ, Notice, Segment, Sentence, Span, Timeline, Word
from pipeline.provenance.mark import SOURCE_TYPES
from pipeline.speech.voices.natural import robotic_notice


def done_report(flow: Flow, submission: Submission, attempts: int) -> DoneReport:
    """The report of a job that succeeded."""
    assert flow.speech is not None and flow.video is not None
    segments = [flow.segments[index] for index in sorted(flow.segments)]
    segments = [segment for segment in segments if segment.start_frame >= flow.first_frame]
    timeline = flow.timeline
    report = DoneReport(
        job=flow.name,
        status="done",
        cached=False,
        attempts=attempts,
        submitted_at=timestamp(submission.submitted_at),
        finished_at=timestamp(time.time()),
        **submission.given,
        mode=timeline.mode,
        engine=segments[0].engine,
        audio=_audio(flow, timeline),
        video=_video(flow),
        avatar=_avatar(flow, flow.parts[0], timeline),
        captions=captions.files(flow.name) if flow.job.captions else [],
        **_extras(flow),
        timing=_timing(flow, segments, timeline, submission),
        chunks=[_chunk(flow, segment, submission) for segment in segments],
        sentences=_sentences(flow, timeline),
        **_scenes(flow),
        warnings=list(_warnings(flow)),
        synthetic=True,
        provenance=_provenance(flow),
        fingerprint=flow.journal.fingerprint,
        metadata=flow.job.metadata,
        **_circumstances(flow, submission),
    )
    return with_clips(report, flow.video.intro_frames, flow.video.outro_frames)


def _provenance(flow: Flow) -> ProvenanceReport:
    mark = flow.mark
    if mark is None:
        return ProvenanceReport(marked=False)
    return ProvenanceReport(
        marked=True,
        digital_source_type=SOURCE_TYPES + mark.source_type,
        software=mark.software,
        created=mark.created,
        signed=flow.config.provenance.sign is not None,
        **({} if mark.consent is None else {"consent": mark.consent}),
    )


def failed_flow_report(flow: Flow, error: ErrorReport, submission: Submission, attempts: int) -> FailedReport:
    """The report of a job that failed while it ran."""
    report = failed_report(flow.name, error, submission, attempts, flow.job.metadata)
    return report.model_copy(update=_circumstances(flow, submission))


def _circumstances(flow: Flow, submission: Submission) -> dict[str, Any]:
    """What the workers did, with which settings, on which machine."""
    return {
        "runs": [_run(run, submission) for run in flow.journal.history.ended(time.monotonic())],
        "settings": _settings(flow),
        "machine": this_machine(),
    }


def _run(run: Run, submission: Submission) -> RunReport:
    assert run.end_seconds is not None
    return RunReport(
        stage=run.stage,
        index=run.index,
        worker=run.worker,
        start_seconds=rounded(run.start_seconds - submission.seen_seconds),
        end_seconds=rounded(run.end_seconds - submission.seen_seconds),
        **({"node": run.node} if run.node else {}),
        **({"error": RunError(code=run.code, message=run.message or "")} if run.code else {}),
    )


def _settings(flow: Flow) -> SettingsReport:
    job, video = flow.job, flow.config.video
    return SettingsReport(
        language=flow.language,
        voice=job.voice,
        speed=job.speed,
        mode=job.mode,
        model=job.model,
        num_workers=job.num_workers,
        priority=job.priority,
        crf=video.crf,
        preset=video.preset,
        captions=job.captions,
    )


def _warnings(flow: Flow) -> Iterator[WarningReport]:
    """What the author of a job that ended well may not expect."""
    yield from (WarningReport(**vars(found)) for found in job_warnings(flow.job, flow.config))
    for index, take in enumerate(flow.takes):
        for notice in (*take.timeline.notices, *take.speech.notices, *_voice_notices(flow, take)):
            message = flow.job.about(index) + notice.message
            yield WarningReport(code=notice.code, message=message, hint=notice.hint)
    failed = [run for run in flow.journal.history.runs if run.code is not None]
    if failed:
        times = "once" if len(failed) == 1 else f"{len(failed)} times"
        message = f"work was repeated {times}: {failed[-1].message}"
        yield WarningReport(code="retried", message=message, hint="the log has the cause")
    if isinstance(flow, StreamFlow):
        slack = min(flow.needed_seconds(index) - flow.ready_seconds(index) for index in flow.segments)
        if slack < 0:
            message = f"playback that began as early as possible stalled for {-slack:.1f} s"
            yield WarningReport(code="stalled", message=message, hint="use a smaller size or more workers")


def _voice_notices(flow: Flow, take: Take) -> Iterator[Notice]:
    if take.speech.voice is not None and take.part.voice is None:
        found = robotic_notice(take.speech.voice, flow.language_of(take.part), flow.config.tts)
        yield from () if found is None else (found,)


def _avatar(flow: Flow, part: Job, timeline: Timeline) -> AvatarReport:
    face = timeline.face
    found = {} if face is None else {"face": FaceReport(box=face.box, others=list(face.others))}
    return AvatarReport(name=flow.avatar_of(part), frames_without_face=list(timeline.unseen), **found)


def _scenes(flow: Flow) -> dict[str, list[SceneReport]]:
    """The scenes, if the job has any."""
    if flow.job.scenes is None:
        return {}
    return {"scenes": [_scene(flow, index, take) for index, take in enumerate(flow.takes)]}


def _scene(flow: Flow, index: int, take: Take) -> SceneReport:
    start, stop = take.timeline.first_frame or 0, take.timeline.stop_frame
    return SceneReport(
        index=index,
        start_seconds=rounded(start / flow.fps),
        end_seconds=rounded(stop / flow.fps),
        first_frame=start,
        frames=take.timeline.frames,
        avatar=_avatar(flow, take.part, take.timeline),
        language=flow.language_of(take.part),
        voice=take.speech.voice,
        chunks=[chunk for chunk in sorted(flow.chunks) if start <= flow.chunks[chunk].start_frame < stop],
    )


def _audio(flow: Flow, timeline: Timeline) -> Audio:
    assert flow.speech is not None
    return Audio(
        seconds=rounded(timeline.seconds),
        samples=timeline.samples,
        sample_rate=PCM_RATE_HZ,
        voice=flow.speech.voice,
        cached=False,
    )


def _video(flow: Flow) -> Video:
    assert flow.video is not None
    described = asdict(flow.video)
    return Video(
        file=f"{flow.name}.mp4",
        codec=flow.codec,
        **{key: described[key] for key in ("frames", "fps", "width", "height", "bytes", "sha256")},
    )


def _extras(flow: Flow) -> dict[str, list[ExtraReport]]:
    assert flow.video is not None
    found = flow.video.extras
    reports = [ExtraReport(kind=one.kind, file=f"{flow.name}{SUFFIXES[one.kind]}", bytes=one.bytes) for one in found]
    return {"extras": reports} if reports else {}


def _timing(flow: Flow, segments: list[Segment], timeline: Timeline, submission: Submission) -> Timing:
    assert flow.speech is not None and flow.video is not None
    first_span = flow.speech.span or timeline.convert
    total = time.monotonic() - submission.seen_seconds
    lipsync = Span(min(s.span.start_seconds for s in segments), max(s.span.end_seconds for s in segments))
    chunk_sum = sum(segment.span.seconds for segment in segments)
    queued = first_span.start_seconds - submission.seen_seconds
    return Timing(
        total_seconds=rounded(total),
        queued_seconds=rounded(queued),
        tts_seconds=rounded(flow.speech.span.seconds) if flow.speech.span else 0,
        convert_seconds=rounded(timeline.convert.seconds),
        split_seconds=rounded(timeline.split.seconds),
        lipsync_seconds=rounded(lipsync.seconds),
        merge_seconds=rounded(flow.video.span.seconds),
        first_segment_seconds=rounded(_first_segment_end(flow) - submission.seen_seconds),
        chunk_seconds_sum=rounded(chunk_sum),
        parallelism=rounded(chunk_sum / lipsync.seconds),
        real_time_factor=rounded((total - queued) / timeline.seconds),
    )


def _first_segment_end(flow: Flow) -> float:
    """When the first segment was rendered, or, in a stream, when it could be played. Monotonic seconds."""
    if isinstance(flow, StreamFlow):
        return flow.ready_seconds(0)
    return min(segment.span.end_seconds for segment in flow.segments.values())


def _chunk(flow: Flow, segment: Segment, submission: Submission) -> ChunkReport:
    queued = segment.span.start_seconds - segment.timeline.split.end_seconds
    return ChunkReport(
        index=segment.index,
        start_seconds=rounded((segment.start_frame - flow.first_frame) / segment.timeline.fps),
        end_seconds=rounded((segment.stop_frame - flow.first_frame) / segment.timeline.fps),
        frames=segment.stop_frame - segment.start_frame,
        model=segment.model,
        engine=segment.engine,
        device=segment.device,
        worker=segment.worker,
        queued_seconds=rounded(queued),
        inference_seconds=rounded(segment.inference_seconds),
        encode_seconds=rounded(segment.encode_seconds),
        total_seconds=rounded(segment.span.seconds),
        **_playback(flow, segment.index, submission),
    )


def _playback(flow: Flow, index: int, submission: Submission) -> dict[str, float]:
    """For a piece of a stream: when it was ready to be played, and how long before it was needed."""
    if not isinstance(flow, StreamFlow):
        return {}
    ready, needed = flow.ready_seconds(index), flow.needed_seconds(index)
    return {"ready_seconds": rounded(ready - submission.seen_seconds), "slack_seconds": rounded(needed - ready)}


def _sentences(flow: Flow, timeline: Timeline) -> list[SentenceReport]:
    """All sentences. Those of a scene name what differs from the first one."""
    assert flow.speech is not None
    found = []
    for index, take in enumerate(flow.takes):
        language, voice = flow.language_of(take.part), take.speech.voice
        common: dict[str, Any] = {} if language == flow.language else {"language": language}
        common |= {} if voice is None or voice == flow.speech.voice else {"voice": voice}
        common |= {} if flow.job.scenes is None else {"scene": index}
        found += [_sentence(sentence, timeline, common) for sentence in take.speech.sentences]
    return found


def _sentence(sentence: Sentence, timeline: Timeline, common: Mapping[str, Any]) -> SentenceReport:
    """Clamped to the timeline, which cuts up to half a frame off the last sentence.

    `common`: what all sentences of the scene have that do not say otherwise.
    """
    own = {"language": sentence.language, "voice": sentence.voice}
    return SentenceReport(
        text=sentence.text,
        start_seconds=rounded(sentence.start_seconds),
        end_seconds=rounded(min(sentence.end_seconds, timeline.seconds)),
        **({"words": [_word(word, timeline) for word in sentence.words]} if sentence.words else {}),
        **{**common, **{key: value for key, value in own.items() if value}},
    )


def _word(word: Word, timeline: Timeline) -> WordReport:
    start, end = (rounded(min(seconds, timeline.seconds)) for seconds in (word.start_seconds, word.end_seconds))
    return WordReport(text=word.text, start_seconds=start, end_seconds=end)
