"""The single demands of the gate, each held against what was measured.

In: a Rate, a count or a PairedResult, and what is demanded of it. Out: a GateCheck with its reason in words. What is
demanded together, and what follows, is decided in `evaluation.gate`.
"""

from __future__ import annotations

from assistant.types import Record
from evaluation.paired import PairedResult, render_p
from evaluation.rates import Rate

MAX_LEFT_OUT = 0.1
"""Largest share of questions that may be missing from a comparison of two runs; beyond, a loss could hide in it."""


class GateCheck(Record):
    """One demand, held against what was measured."""

    name: str
    """What is demanded."""
    is_passed: bool | None
    """Whether it was met; None when it could not be checked."""
    measured: float | None
    """What was measured: a share, a count or a p value; None when nothing could be."""
    required: float | None
    """What was demanded of it; None when nothing was."""
    n: int
    """Questions it was measured on."""
    reason: str
    """All this in words."""


def check_size(n: int, required: int) -> GateCheck:
    """Demand enough questions for a verdict."""
    is_passed = n >= required
    verdict = "enough" if is_passed else "too few"
    reason = f"{n} answerable questions and turns are {verdict} for a verdict; at least {required} needed."
    return GateCheck(name="enough questions", is_passed=is_passed, measured=n, required=required, n=n, reason=reason)


def check_least(name: str, rate: Rate, required: float | None) -> GateCheck:
    """Demand a share of at least so much; None demands nothing."""
    is_met = rate.rate is not None and required is not None and rate.rate >= required
    return _check_rate(name, rate, required, is_met, "at least")


def check_most(name: str, rate: Rate, required: float | None) -> GateCheck:
    """Demand a share of at most so much; None demands nothing."""
    is_met = rate.rate is not None and required is not None and rate.rate <= required
    return _check_rate(name, rate, required, is_met, "at most")


def check_loss(name: str, paired: PairedResult | None, alpha: float) -> GateCheck:
    """Demand that nothing was lost against the served model beyond what chance explains.

    Runs that hold such questions but share too few of them fail: the loss could be in the others.
    """
    if paired is None:
        return _unmeasured(name, alpha, "No run of a served model was given.")
    left_out = len(paired.changed) + len(paired.only_new) + len(paired.only_old)
    if not paired.n and not left_out:
        return _unmeasured(name, alpha, "The examples hold no such question.")
    reason = (
        f"Won {len(paired.won)} and lost {len(paired.lost)} of {paired.n} against the served model, one-sided "
        f"{render_p(paired.p_loss)}; a loss if below {alpha:g}."
    )
    is_whole = left_out <= MAX_LEFT_OUT * (paired.n + left_out)
    if left_out:
        verdict = "left out" if is_whole else "have other gold SQL or are in one run only: too many for a verdict"
        reason += f" {left_out} more {verdict}."
    return GateCheck(
        name=name,
        is_passed=is_whole and paired.p_loss >= alpha,
        measured=paired.p_loss,
        required=alpha,
        n=paired.n,
        reason=reason,
    )


def _check_rate(name: str, rate: Rate, required: float | None, is_met: bool, bound: str) -> GateCheck:
    if rate.rate is None or rate.low is None or rate.high is None:
        is_passed, reason = None, "The examples hold no such question."
    else:
        is_passed = None if required is None else is_met
        demand = "nothing demanded" if required is None else f"{bound} {required:.1%} demanded"
        reason = f"{rate.hits} of {rate.n}, {rate.rate:.1%} [{rate.low:.1%}, {rate.high:.1%}]; {demand}."
    return GateCheck(name=name, is_passed=is_passed, measured=rate.rate, required=required, n=rate.n, reason=reason)


def _unmeasured(name: str, required: float, reason: str) -> GateCheck:
    return GateCheck(name=name, is_passed=None, measured=None, required=required, n=0, reason=reason)
