"""How units are matched: one model for a table of one's own and, with its columns fixed, for a study's protocol."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from counterpart.protocol.section import Problem, Real, Section, Text, Whole, YesNo, each_once

PAIR_COLUMNS = ("set_id", "treated_id", "control_id", "distance", "score_difference")
"""Of the pairs that a match returns, beside the exact columns."""

Columns = Annotated[tuple[Text, ...], AfterValidator(each_once)]


class Matching(Section):
    """Nearest counterparts inside exact strata and calipers.

    Columns. `id` names a unit (text or whole number, each once), `treated` says its arm (Boolean, or 0 and 1). `person`
    names who it is where one may have several units: a person serves once, over all its units, and never for itself.
    Units pair only if they are equal on all of `exact` (missing equals missing), which are columns of the pairs too and
    so must not be called as those. `tie_order`, ascending, decides ties before the stable hash of the id does.

    Distance. `score` is a probability or its logit (`score_scale`); the distance is the difference of the logits, or
    over `covariates` the Mahalanobis distance or the Euclidean one of standardised values, with the covariance
    (standard deviations) of the controls, of the treated, or pooled within the arms.

    Calipers. `caliper` bounds the difference of the logits, in standard deviations of the logit: `pooled` is the root
    of the mean of the two arms' variances (Austin 2011, doi:10.1002/pst.433), `overall` that of all units (MatchIt's),
    `raw` takes the caliper as it is. null means none. `calipers` bounds the difference of further columns, in their
    own units.

    Sets. Each treated unit gets up to `ratio` controls, everyone the j-th before anyone the next, and stays unmatched
    below `min_ratio` (equal to `ratio`: a fixed ratio). With `replace` a control serves in several sets, `reuse` of
    them at most. `direction` control_to_treated looks for treated counterparts of each control instead. `order`: the
    closest pair of all first, or treated by falling (`largest`) or rising (`smallest`) score, or by `tie_order`
    (`data`), each taking its nearest. `one_role` bars whoever has a treated unit from the controls.

    Search. `exact` finds the pairs that taking the best again and again would find. `ann` looks for nearest controls
    in an approximate index until it finds `recall` of them, as measured on units searched exactly as well; it needs
    the extra `ann`. `auto` takes ann only without a caliper and where exact would take more than ten minutes.
    """

    id: Text = "id"
    treated: Text = "treated"
    person: Text | None = None
    exact: Columns = ()
    tie_order: Text | None = None
    score: Text | None = None
    score_scale: Literal["probability", "logit"] = "probability"
    caliper: Real | None = Field(
        default=0.2, gt=0, le=10, description="in standard deviations of the logit of the score, or null for no caliper"
    )
    caliper_scale: Literal["pooled", "overall", "raw"] = "pooled"
    calipers: dict[Text, Annotated[Real, Field(ge=0)]] = Field(default={})
    distance: Literal["score", "mahalanobis", "euclidean"] = "score"
    covariates: Columns = ()
    covariance: Literal["controls", "pooled", "treated"] = "pooled"
    pseudo_inverse: YesNo = False
    ratio: Whole = Field(default=1, ge=1, le=100)
    min_ratio: Whole = Field(default=1, ge=1, le=100)
    replace: YesNo = False
    reuse: Whole | None = Field(
        default=None, ge=1, le=10**9, description="the most sets of one control, or null for any number"
    )
    direction: Literal["treated_to_control", "control_to_treated"] = "treated_to_control"
    order: Literal["closest", "largest", "smallest", "data"] = "closest"
    search: Literal["exact", "ann", "auto"] = "auto"
    recall: Real = Field(default=0.99, gt=0, le=1)
    one_role: YesNo = False

    def contradictions(self) -> Iterator[Problem]:
        """Settings that ask for what others rule out."""
        yield from self._without_score()
        yield from self._of_distance()
        if self.min_ratio > self.ratio:
            yield ("min_ratio",), f"{self.min_ratio} is above ratio {self.ratio}"
        if self.reuse is not None and not self.replace:
            yield ("reuse",), "without `replace: true` a control serves once"
        if self.order == "data" and self.tie_order is None:
            yield ("order",), "data is the order of the column tie_order, which is not named"
        if self.one_role and self.person is None:
            yield ("one_role",), "needs the column person, which says whose unit it is"
        if self.search == "exact" and self._is_set("recall"):
            yield ("recall",), "is of the searches ann and auto; the exact search finds all"
        if self.search == "ann" and self.distance == "score" and not self.calipers:
            yield ("search",), "on the score alone the exact search is the fastest; take exact or auto"
        # Some tables do not tell capitals apart.
        for name in (name for name in self.exact if name.lower() in PAIR_COLUMNS):
            yield ("exact",), f"the pairs have a column {name!r} of their own (as {', '.join(PAIR_COLUMNS)}); rename it"
        names = [self.id, self.treated, *(name for name in (self.score, self.tie_order) if name)]
        for name in sorted({name for name in names if names.count(name) > 1}):
            yield ("id",), f"the column {name!r} has two meanings (id, treated, score, tie_order)"

    def _is_set(self, name: str) -> bool:
        """To something else than what holds anyway."""
        return bool(getattr(self, name) != type(self).model_fields[name].default)

    def _without_score(self) -> Iterator[Problem]:
        if self.score is None:
            if self.distance == "score":
                yield ("score",), "the distance is that of the score: name its column"
            elif self.caliper is not None:
                yield ("caliper",), "is on the score: name its column, or write null for no caliper"
            if self.order in ("largest", "smallest"):
                yield ("order",), f"{self.order} is by the score: name its column"

    def _of_distance(self) -> Iterator[Problem]:
        if self.distance == "score" and self.covariates:
            yield ("covariates",), "are not used by the distance score; take mahalanobis or euclidean"
        if self.distance == "score" and self._is_set("covariance"):
            yield ("covariance",), "is of covariates, which the distance score does not use"
        if self.distance != "score" and not self.covariates:
            yield ("covariates",), f"the distance {self.distance} needs some"
        if self.pseudo_inverse and self.distance != "mahalanobis":
            yield ("pseudo_inverse",), "is for the distance mahalanobis only"


OF_A_STUDY = ("exact", "caliper", "caliper_scale", "search", "recall")
"""The settings of a match that a study has in its hands."""


class StudyMatching(Matching):
    """The protocol's `matching` section: on the propensity score, its columns those of the study's own tables.

    The estimates that follow take pairs, in which nobody serves twice. So only `OF_A_STUDY` can be set.
    """

    id: Literal["unit_id"] = "unit_id"
    treated: Literal["is_treated"] = "is_treated"
    person: Literal["member_key"] = "member_key"
    exact: Annotated[
        tuple[Literal["sex", "age_band", "region", "state", "index_month"], ...], AfterValidator(each_once)
    ] = ("sex", "age_band", "region", "index_month")
    tie_order: None = None
    score: Literal["logit"] = "logit"
    score_scale: Literal["logit"] = "logit"
    caliper_scale: Literal["pooled", "overall"] = "pooled"
    calipers: dict[Text, Annotated[Real, Field(ge=0)]] = Field(default={}, max_length=0)
    distance: Literal["score"] = "score"
    covariates: tuple[()] = ()
    ratio: Literal[1] = 1
    min_ratio: Literal[1] = 1
    replace: Literal[False] = False
    direction: Literal["treated_to_control"] = "treated_to_control"
    order: Literal["closest"] = "closest"
    one_role: Literal[False] = False

    @classmethod
    def written_keys(cls) -> list[str]:
        """What a study can set."""
        return list(OF_A_STUDY)

    @field_validator("*", mode="before")
    @classmethod
    def _is_fixed(cls, given: Any, about: ValidationInfo) -> Any:
        """One plain complaint for all that a study cannot set, unless it says what holds anyway."""
        name = str(about.field_name)
        written = tuple(given) if isinstance(given, list) else given
        if name not in OF_A_STUDY and written != cls.model_fields[name].default:
            raise PydanticCustomError(
                "cannot_be_set", "a study matches 1:1 on the score without replacement; this cannot be set"
            )
        return given
