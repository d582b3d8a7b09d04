"""Computes a job's mouth track from its speech: the network, the phonemes if known, and the pauses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from pipeline.engines.base import SpeechFeatures
from pipeline.engines.builtin.network import BANDS, CONTEXT_COLUMNS, MouthNetwork, both, normalised, padded
from pipeline.engines.builtin.noise import noise_below
from pipeline.engines.builtin.track import Mouth
from pipeline.engines.builtin.visemes import phoneme_track
from pipeline.engines.enhancement import voice_mel
from pipeline.engines.loudness import (
    POWER_PER_UNIT,
    at_frames,
    bounded,
    column_loudness,
    gate_of,
    reference_level,
    relative_loudness,
    speech_gate,
    voice_gate,
)
from pipeline.engines.mel import COLUMNS_PER_SECOND
from pipeline.media.runs import runs

WEIGHTS, WEIGHTS_IN_NOISE = (Path(__file__).with_name(f"{name}.safetensors") for name in ("mouth", "mouth_in_noise"))
"""Of the network, and of one that also sees the voice alone, so that it hears the same in noise, music, laughter and
other voices."""
BLOCK_COLUMNS = 4096
"""Columns processed by the network at a time: 51 s and about 10 MB, regardless of the job's length."""

AUDIBLE = 2.8
"""What is more than so many mel units (35 dB) below the loudest half second does not disturb."""
QUIET_SHARE, NOISY_SHARE = 0.5, 0.3
"""What share the network that does not know noise has in recordings, if nothing else disturbs and if something does."""
REST_HEARD = 0.1
"""Then it hears the voice and so much of the rest, since parts of the voice are removed with the noise."""
NETWORK_SHARE = 0.35
"""Weight of the network for the jaw when the phonemes are known; the rest is theirs."""
SMOOTH_SECONDS = 0.014
"""Width (sigma) of the smoothing of everything but closures and tucks; lower frame rates need more."""
CLOSED = 0.3
"""A closure above this in the network's output is intentional and shown in full."""
FREE = 0.38
"""Where the phonemes close the lips less than this, the network has a say in the jaw."""
VOICE_BANDS = slice(7, 55)
"""The mel bands from 0.3 to 3.5 kHz, in which closed lips muffle a voice most."""
MUFFLED, BESIDE_SECONDS, VOICE_SMOOTH_SECONDS = 0.32, 0.125, 0.012
"""By at least this many mel units (4 dB), compared with the loudest sound so close to the closure."""
HEARD_WELL, CLOSURE_SECONDS_MAX = 1.6, 0.5
"""Only sounds less than this many mel units below the loudest half second are compared, and no longer closures."""
WIDTH_GAIN = 1.2
"""Factor for the network's lip width: trained with squared errors, it tends to the mean when uncertain."""
AT_REST, REST_SECONDS = 0.2, 0.3
"""The mouth rests if its lips are closed more and its jaw is open less than this for so long: less may be an m or b."""
JAW_OPEN = 0.05
"""The jaw is open from here on."""
PACE, CONTRAST_MAX, CONTRAST_SECONDS = 1.2, 1.6, 0.15
"""For the same reason its jaw moves too little in some recordings: less than this amount a second, in the mean while it
is open. Then differences from its mean under a Gaussian of this sigma are enlarged, at most by this factor."""
LOUD_GAIN, LOUD_RANGE = 0.35, (0.7, 1.3)
"""The jaw opens this much further per mel unit (12.5 dB) above the median loudness, within the range."""
LOUDNESS_SMOOTH_SECONDS = 0.08
JAW_POWER, JAW_GAIN, SPREAD_GAIN = 1.25, 1.45, 3.0
"""The power keeps small movements of the jaw small. Then those of jaw and corners are enlarged by these factors, the
widest not at all."""
PLAY = 0.015
"""The jaw holds where it turns, and smaller movements than twice this vanish, as if it had so much play."""
ROUNDING, ROUNDING_POWER = 0.6, 1.4
"""Lips that are fully rounded narrow by this fraction of the way to a pucker; less rounded ones by less."""

Floats = NDArray[np.float32]


class MouthModel:
    """Computes mouth tracks. Equal speech gives equal tracks."""

    def __init__(self, device: torch.device, weights: Path = WEIGHTS, in_noise: Path = WEIGHTS_IN_NOISE) -> None:
        """Load the weights."""
        self._device = device
        self._network, self._network_in_noise = (loaded(file).to(device) for file in (weights, in_noise))

    def track(self, speech: SpeechFeatures) -> Floats:
        """The mouth in every frame of the job, shape [frames, 6] in the order of `Mouth`."""
        mel = bounded(speech.mel)
        loudness = relative_loudness(mel)
        if speech.frames == 0 or loudness is None:
            return at_rest(speech.frames)
        track = self._led(mel, speech) if speech.phonemes else self._heard(mel, speech)
        track[:, Mouth.JAW_OPEN] *= _effort(loudness, speech.frames, speech.fps)
        track = articulated(track, speech.articulation)
        track[:, Mouth.JAW_OPEN] = _with_play(track[:, Mouth.JAW_OPEN])
        gated = _gated(track, speech_gate(speech)[:, None])
        return np.clip(gated, *_LIMITS).astype(np.float32)

    def _led(self, mel: torch.Tensor, speech: SpeechFeatures) -> Floats:
        """The track [frames, 6] of speech that is led by its phonemes wherever they are known; else it is heard."""
        known = [phoneme for phoneme in speech.phonemes if phoneme.symbol]
        by_network = in_frames(self._alone(mel), speech)
        track = guided(by_network, phoneme_track(known, speech.frames, speech.fps))
        if len(known) < len(speech.phonemes):
            heard = self._heard(mel, speech)
            for unknown in (phoneme for phoneme in speech.phonemes if not phoneme.symbol):
                # Both are closed at a sentence's edges, or near it: the change is not seen.
                start, stop = (round(seconds * speech.fps) for seconds in (unknown.start_seconds, unknown.end_seconds))
                track[start:stop] = heard[start:stop]
        return track

    def _heard(self, mel: torch.Tensor, speech: SpeechFeatures) -> Floats:
        """The track [frames, 6] of a recording."""
        in_noise = self._columns(self._network_in_noise, both(mel, mel))
        gate = voice_gate(speech) * self._speaking(in_noise, speech)
        voice, alone, share = mel, mel, QUIET_SHARE
        if speech.wav is not None and noise_below(mel, gate, speech.fps) < AUDIBLE:
            voice, share = bounded(voice_mel(speech.wav)), NOISY_SHARE
            alone = mixed(mel, voice)
            in_noise = self._columns(self._network_in_noise, both(mel, voice))
            gate *= self._speaking(in_noise, speech)
        columns = in_noise + share * (self._alone(alone) - in_noise)
        open_where_loud(columns, voice)
        return _contrasted(_gated(in_frames(columns, speech), gate[:, None]), speech.fps)

    def _alone(self, mel: torch.Tensor) -> Floats:
        """The columns [columns, 6] of the network that does not know noise."""
        return self._columns(self._network, normalised(mel, reference_level(mel)))

    def _speaking(self, columns: Floats, speech: SpeechFeatures) -> Floats:
        """0 where the mouth rests in the network's columns [columns, 6], shape [frames]."""
        rests = (columns[:, Mouth.CLOSURE] > AT_REST) & (columns[:, Mouth.JAW_OPEN] < AT_REST)
        for start, stop in runs(rests):
            rests[start:stop] = stop - start >= REST_SECONDS * COLUMNS_PER_SECOND
        return gate_of(~rests, speech.frames, speech.fps)

    @torch.inference_mode()
    def _columns(self, network: MouthNetwork, features: torch.Tensor) -> Floats:
        """A network's output for every column of its features [rows, columns], shape [columns, 6]."""
        blocks = _blocks(padded(features[None]))
        return torch.cat([network(block.to(self._device))[0].T.cpu() for block in blocks]).numpy()


_LIMITS = (np.array([0, -1, 0, 0, 0, 0], np.float32), np.ones(len(Mouth), np.float32))


def loaded(weights: Path) -> MouthNetwork:
    """A network with these weights, for inference."""
    state = load_file(weights)
    network = MouthNetwork(state["enter.0.weight"].shape[1] // BANDS).eval()
    network.load_state_dict(state)
    return network


def _blocks(features: torch.Tensor) -> Iterator[torch.Tensor]:
    """Blocks of padded features that overlap by the network's context, so that no output depends on a block's edge."""
    for start in range(0, features.shape[2] - CONTEXT_COLUMNS, BLOCK_COLUMNS):
        yield features[:, :, start : start + BLOCK_COLUMNS + CONTEXT_COLUMNS]


def mixed(heard: torch.Tensor, voice: torch.Tensor) -> torch.Tensor:
    """The mel spectrogram of a voice with a part of what is heard, added up as amplitudes."""
    loud, clear = (torch.pow(10.0, POWER_PER_UNIT / 2 * of) for of in (heard, voice))
    return torch.log10(torch.lerp(clear, loud, REST_HEARD)) * (2 / POWER_PER_UNIT)


def at_rest(frames: int) -> Floats:
    """The track of a closed, resting mouth."""
    track = np.zeros((frames, len(Mouth)), np.float32)
    track[:, Mouth.CLOSURE] = 1.0
    return track


def open_where_loud(columns: Floats, mel: torch.Tensor) -> None:
    """Take back closures in the network's columns [columns, 6] where the voice is too loud for closed lips."""
    level = _smoothed(column_loudness(mel[VOICE_BANDS])[:, None].numpy(), VOICE_SMOOTH_SECONDS)[:, 0]
    heard_well = float(reference_level(mel)) - HEARD_WELL
    beside = round(BESIDE_SECONDS * COLUMNS_PER_SECOND)
    for start, stop in runs(columns[:, Mouth.CLOSURE] > CLOSED):
        if stop - start < CLOSURE_SECONDS_MAX * COLUMNS_PER_SECOND:
            loud = level[start:stop] > max(level[max(0, start - beside) : stop + beside].max() - MUFFLED, heard_well)
            # What is left of a closure that is mostly loud is the edge of something else.
            taken_back = np.arange(start, stop)[loud | (loud.mean() >= 0.5)]
            columns[taken_back, Mouth.CLOSURE] = columns[taken_back, Mouth.CLOSURE].clip(max=CLOSED)


def in_frames(columns: Floats, speech: SpeechFeatures) -> Floats:
    """A network's columns [columns, 6] at the frames of a job, shape [frames, 6]."""
    track = sampled(columns, speech.frames, speech.fps)
    track[:, Mouth.LIP_WIDTH] *= WIDTH_GAIN
    return track


def sampled(columns: Floats, frames: int, fps: int) -> Floats:
    """The network's columns [columns, 6] at the frames' centres [frames, 6], with every closure and tuck in full."""
    sigma = max(SMOOTH_SECONDS, 0.4 / fps)
    track = at_frames(_smoothed(columns, sigma), frames, fps)
    for part in (Mouth.CLOSURE, Mouth.LOWER_TUCK):
        track[:, part] = at_frames(columns[:, part, None], frames, fps)[:, 0]
        _complete(track[:, part], columns[:, part], fps)
    return track


def _smoothed(columns: Floats, sigma_seconds: float) -> Floats:
    """The columns [columns, n] under a Gaussian window."""
    radius = int(np.ceil(3 * sigma_seconds * COLUMNS_PER_SECOND))
    offsets = np.arange(-radius, radius + 1) / (sigma_seconds * COLUMNS_PER_SECOND)
    window = np.exp(-0.5 * offsets**2).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(columns, ((radius, radius), (0, 0)), "edge"), len(window), 0
    )
    return np.asarray(windows @ (window / window.sum()), np.float32)


def _contrasted(track: Floats, fps: int) -> Floats:
    """The track [frames, 6] with the jaw's movement enlarged if there is little of it."""
    jaw = track[:, Mouth.JAW_OPEN]
    pace = float(np.abs(np.diff(jaw, prepend=jaw[:1]))[jaw > JAW_OPEN].mean() * fps) if (jaw > JAW_OPEN).any() else PACE
    mean = cv2.GaussianBlur(jaw[None], (0, 0), CONTRAST_SECONDS * fps, borderType=cv2.BORDER_REPLICATE)[0]
    contrast = np.clip(PACE / max(pace, 1e-3), 1, CONTRAST_MAX)
    moved = track.copy()
    moved[:, Mouth.JAW_OPEN] = np.clip(mean + contrast * (jaw - mean), 0, 1)
    return moved


def _complete(frames: Floats, columns: Floats, fps: int) -> None:
    """Set the frames inside each run of columns above `CLOSED` to one; if there is none, the nearest frame."""
    for start, stop in runs(columns > CLOSED):
        first = int(np.ceil(start * fps / COLUMNS_PER_SECOND - 0.5))
        last = int(np.floor((stop - 1) * fps / COLUMNS_PER_SECOND - 0.5))
        if last < first:
            first = last = int((start + stop - 1) / 2 * fps / COLUMNS_PER_SECOND)
        frames[max(first, 0) : last + 1] = 1.0


def guided(by_network: Floats, by_phonemes: Floats) -> Floats:
    """Combine both tracks: the phonemes provide the sounds, the network the emphasis."""
    track = by_phonemes.copy()
    free = by_phonemes[:, Mouth.CLOSURE] < FREE
    track[free, Mouth.JAW_OPEN] += NETWORK_SHARE * (by_network - by_phonemes)[free, Mouth.JAW_OPEN]
    return track


def _effort(loudness: Floats, frames: int, fps: int) -> Floats:
    """How far the jaw opens relative to normal speech, from the loudness of the columns, shape [frames]."""
    smooth = _smoothed(loudness[:, None], LOUDNESS_SMOOTH_SECONDS)
    usual = float(np.median(smooth[smooth > -1.6])) if (smooth > -1.6).any() else 0.0
    return np.asarray(np.clip(1 + LOUD_GAIN * (at_frames(smooth, frames, fps)[:, 0] - usual), *LOUD_RANGE), np.float32)


def articulated(track: Floats, articulation: float) -> Floats:
    """The track with the range of people's mouths, as a face mesh sees it in videos of ten speakers.

    The track's own amounts are means over many renderings of a sound, which differ less from each other.
    """
    jaw, width = track[:, Mouth.JAW_OPEN].clip(0, 1), track[:, Mouth.LIP_WIDTH].clip(-1, 1)
    spread, rounded = width.clip(min=0), (-width).clip(min=0)
    moved = track.copy()
    moved[:, Mouth.JAW_OPEN] = 1 - (1 - jaw ** (JAW_POWER / articulation)) ** (JAW_GAIN * articulation)
    moved[:, Mouth.LIP_WIDTH] = 1 - (1 - spread) ** (SPREAD_GAIN * articulation)
    moved[:, Mouth.LIP_WIDTH] -= ROUNDING * rounded ** (ROUNDING_POWER / articulation)
    return moved


def _with_play(jaw: Floats) -> Floats:
    """The jaw [frames] when what moves it has play, forwards and then backwards in time, so that nothing is late."""
    for _ in range(2):
        held = accumulate(jaw.tolist(), lambda last, now: min(max(last, now - PLAY), now + min(now, PLAY)))
        jaw = np.fromiter(held, np.float32, len(jaw))[::-1]
    return jaw


def _gated(track: Floats, gate: Floats) -> Floats:
    """The track with the mouth at rest where the gate [frames, 1] is closed."""
    rest = at_rest(len(track))
    return np.asarray(rest + gate * (track - rest), np.float32)
