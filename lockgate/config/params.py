"""`params.yaml` parsed once into typed, frozen objects; unknown keys are errors that name the nearest known one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from lockgate.config.errors import InputError
from lockgate.config.layout import PARAMS
from lockgate.config.metric_names import FairnessMetric
from lockgate.config.suggest import nearest
from lockgate.config.thresholds import check_ceilings, check_floors, check_margins, check_slice_floors
from lockgate.config.yaml_file import read_yaml

SYNTHETIC = "synthetic"


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


Name = Annotated[str, Field(min_length=1)]
Finite = Annotated[float, AfterValidator(_finite)]
Share = Annotated[float, AfterValidator(_finite), Field(ge=0, le=1)]
OpenShare = Annotated[float, AfterValidator(_finite), Field(gt=0, lt=1)]
NotNegative = Annotated[float, AfterValidator(_finite), Field(ge=0)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Section(BaseModel):
    """A frozen section of `params.yaml`: no unknown keys, no silent conversions."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Read(Section):
    """How the cells of files are written, where that is not recognised, or is recognised wrongly: null recognises it.

    `missing` are further texts that mean missing, in all columns. With `percent`, numbers without the sign are percentages
    too in a column where some have it, and so with `currency`; false and "" recognise none. `dates` is a format of strptime.
    `header` is the line, or the row of a sheet, that names the columns, counted from 1; what stands above it is left out.
    """

    missing: list[Annotated[str, Field(max_length=1000)]] = []
    decimal: Literal[".", ","] | None = None
    thousands: Literal["", ",", ".", " ", "'"] | None = None
    percent: bool | None = None
    currency: Annotated[str, Field(max_length=10)] | None = None
    dates: Annotated[str, Field(min_length=2, max_length=100, pattern="%")] | None = None
    encoding: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    separator: Annotated[str, Field(min_length=1, max_length=2)] | None = None
    header: Annotated[int, Field(ge=1, le=1000)] = 1
    sheet: Name | None = None

    @model_validator(mode="after")
    def _tells_numbers_apart(self) -> Read:
        if self.decimal is not None and self.decimal == self.thousands:
            raise ValueError(f"`decimal` and `thousands` are both `{self.decimal}`; they must differ")
        if self.currency is not None and any(letter in "0123456789.,%" for letter in self.currency):
            raise ValueError(f"`currency` is `{self.currency}`; write its sign or code, such as EUR, without digits")
        return self


class Classes(Section):
    """Which values of the target are the event, which are not, and which rows are left out."""

    positive: Annotated[list[str | int | bool], Field(min_length=1)]
    negative: Annotated[list[str | int | bool], Field(min_length=1)]
    left_out: list[str | int | bool] = []

    @model_validator(mode="after")
    def _of_one_class(self) -> Classes:
        seen: dict[str, str] = {}
        for key in ("positive", "negative", "left_out"):
            for value in getattr(self, key):
                text = str(value).lower() if isinstance(value, bool) else str(value)
                if text in seen:
                    raise ValueError(f"`{text}` is there twice, in `{seen[text]}` and in `{key}`; keep one")
                seen[text] = key
        return self


class Prepare(Section):
    """Where the data comes from and what its columns are."""

    source: Name = SYNTHETIC
    current: Name | None = None
    target: Name = "default"
    positive: str | int | bool | None = None
    classes: Classes | None = None
    rename: dict[Name, Name] = {}
    read: Read = Read()
    id_columns: list[Name] = []
    time_column: Name | None = None
    future_times: Literal["refuse", "accept"] = "refuse"
    test_size: OpenShare = 0.25
    seed: Seed = 42
    rows: Annotated[int, Field(ge=500, le=50_000_000)] = 20_000
    current_rows: Annotated[int, Field(ge=1, le=50_000_000)] = 5_000
    shock: NotNegative = 1.0
    kinds: dict[Name, Literal["numeric", "categorical", "drop"]] = {}
    bounds: dict[Name, Annotated[list[Finite | None], Field(min_length=2, max_length=2)]] = {}
    texts: dict[Name, Annotated[str, Field(min_length=1, max_length=1000)]] = {}
    audit_columns: list[Name] = []
    unavailable_at_decision: list[Name] = []
    weight_column: Name | None = None

    @model_validator(mode="before")
    @classmethod
    def _current_of_the_source(cls, values: Any) -> Any:
        if isinstance(values, dict) and "current" not in values and values.get("source", SYNTHETIC) == SYNTHETIC:
            return {**values, "current": SYNTHETIC}
        return values

    @model_validator(mode="after")
    def _consistent(self) -> Prepare:
        if self.current == SYNTHETIC and self.source != SYNTHETIC:
            raise ValueError(
                "`current: synthetic` goes only with `source: synthetic`; name a file or set `current: null`"
            )
        for name, (low, high) in self.bounds.items():
            if low is not None and high is not None and low > high:
                raise ValueError(f"`bounds.{name}`: {low:g} is above {high:g}; write [low, high]")
        if self.positive is not None and self.classes is not None:
            raise ValueError("`positive` and `classes` both say which values are the event; keep one")
        if self.classes is not None:
            for value in (*self.classes.positive, *self.classes.negative, *self.classes.left_out):
                if value in self.read.missing:
                    raise ValueError(
                        f"`{value}` is one of `classes` and of `read.missing`; keep one (left_out leaves rows out)"
                    )
        for name in self.rename.values():
            if list(self.rename.values()).count(name) > 1:
                raise ValueError(f"`rename` gives two columns the name `{name}`; give each its own")
        roles: dict[str, str] = {}
        for key in ("target", "time_column", "weight_column", "id_columns", "audit_columns", "unavailable_at_decision"):
            value = getattr(self, key)
            for name in value if isinstance(value, list) else [value] * (value is not None):
                if name in roles:
                    raise ValueError(f"column `{name}` is named both in `{roles[name]}` and in `{key}`; keep one")
                roles[name] = key
        return self


class Train(Section):
    """What every kind of model shares: which one it is, and how the validation split is made."""

    ALIASES: ClassVar[Mapping[str, Sequence[str]]] = {}
    """Other names that the library has for its own parameters; the key is what params and manifests carry."""
    MACHINE_KEYS: ClassVar[frozenset[str]] = frozenset()
    """Keys that say what the training runs on, and do not change its result."""

    model: str
    seed: Seed = 42
    validation_size: OpenShare = 0.2

    @model_validator(mode="before")
    @classmethod
    def _one_name_each(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for name, aliases in cls.ALIASES.items():
            for alias in aliases:
                if alias in values:
                    if name in values:
                        raise ValueError(f"`{alias}` and `{name}` are the same parameter; keep one")
                    values[name] = values.pop(alias)
        return values

    def effective(self) -> dict[str, Any]:
        """Every key that shapes the model, defaults filled in."""
        return self.model_dump(exclude=set(self.MACHINE_KEYS))


class BoostedTrain(Train):
    """What the kit's own kinds of model, all of them boosted trees, share."""

    num_boost_round: Annotated[int, Field(ge=1, le=100_000)] = 600
    early_stopping_rounds: Annotated[int, Field(ge=1)] | None = 40
    learning_rate: Annotated[Finite, Field(gt=0, le=1)] = 0.05
    scale_pos_weight: Literal["balanced"] | Annotated[Finite, Field(gt=0)] = 1.0
    monotone: dict[Name, Literal[-1, 0, 1]] = {}


class XGBoostTrain(BoostedTrain):
    """XGBoost's own parameters, by its own names.

    `external_memory` keeps the rows on disk while it trains, in the folder for temporary files, and reads them from there for
    every level of every tree: for more rows than the memory holds. Chosen here alone, never by how much memory there is.
    """

    ALIASES = {
        "learning_rate": ["eta"],
        "reg_lambda": ["lambda"],
        "reg_alpha": ["alpha"],
        "gamma": ["min_split_loss"],
        "num_boost_round": ["n_estimators"],
    }
    MACHINE_KEYS = frozenset({"nthread"})

    model: Literal["xgboost"] = "xgboost"
    max_depth: Annotated[int, Field(ge=0, le=64)] = 4
    max_leaves: Annotated[int, Field(ge=0)] = 0
    grow_policy: Literal["depthwise", "lossguide"] = "depthwise"
    min_child_weight: NotNegative = 1.0
    gamma: NotNegative = 0.0
    max_delta_step: NotNegative = 0.0
    subsample: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    colsample_bytree: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    colsample_bylevel: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    colsample_bynode: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    reg_lambda: NotNegative = 1.0
    reg_alpha: NotNegative = 0.0
    max_bin: Annotated[int, Field(ge=2, le=65_536)] = 256
    max_cat_to_onehot: Annotated[int, Field(ge=1)] = 4
    max_cat_threshold: Annotated[int, Field(ge=1)] = 64
    device: Annotated[str, Field(pattern=r"^(cpu|cuda(:\d+)?)$")] = "cpu"
    external_memory: bool = False
    nthread: Annotated[int, Field(ge=1)] | None = None

    def effective(self) -> dict[str, Any]:
        """As of every kind; `external_memory` only where it is chosen, so that no other model's digest depends on it."""
        return {key: value for key, value in super().effective().items() if key != "external_memory" or value}


class LightGBMTrain(BoostedTrain):
    """LightGBM's own parameters, by its own names."""

    ALIASES = {
        "num_boost_round": ["num_iterations", "n_estimators"],
        "learning_rate": ["eta"],
        "min_data_in_leaf": ["min_child_samples"],
        "min_sum_hessian_in_leaf": ["min_child_weight"],
        "bagging_fraction": ["subsample"],
        "feature_fraction": ["colsample_bytree"],
        "feature_fraction_bynode": ["colsample_bynode"],
        "lambda_l1": ["reg_alpha"],
        "lambda_l2": ["reg_lambda", "lambda"],
        "min_gain_to_split": ["min_split_gain"],
        "num_threads": ["nthread", "n_jobs"],
    }
    MACHINE_KEYS = frozenset({"num_threads"})

    model: Literal["lightgbm"] = "lightgbm"
    num_leaves: Annotated[int, Field(ge=2, le=131_072)] = 31
    max_depth: Annotated[int, Field(ge=-1, le=64)] = -1
    min_data_in_leaf: Annotated[int, Field(ge=0)] = 20
    min_sum_hessian_in_leaf: NotNegative = 1e-3
    min_gain_to_split: NotNegative = 0.0
    max_delta_step: NotNegative = 0.0
    bagging_fraction: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    feature_fraction: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    feature_fraction_bynode: Annotated[Finite, Field(gt=0, le=1)] = 1.0
    lambda_l1: NotNegative = 0.0
    lambda_l2: NotNegative = 0.0
    path_smooth: NotNegative = 0.0
    extra_trees: bool = False
    max_bin: Annotated[int, Field(ge=2, le=65_535)] = 255
    min_data_in_bin: Annotated[int, Field(ge=1)] = 3
    max_cat_to_onehot: Annotated[int, Field(ge=1)] = 4
    max_cat_threshold: Annotated[int, Field(ge=1)] = 32
    cat_smooth: NotNegative = 10.0
    cat_l2: NotNegative = 10.0
    min_data_per_group: Annotated[int, Field(ge=1)] = 100
    monotone_constraints_method: Literal["basic", "intermediate", "advanced"] = "basic"
    num_threads: Annotated[int, Field(ge=1)] | None = None


class ScorecardTrain(Train):
    """A scorecard: the bins of a number, and scikit-learn's own names."""

    model: Literal["scorecard"] = "scorecard"
    bins: Annotated[int, Field(ge=2, le=100)] = 10
    C: Annotated[Finite, Field(gt=0)] = 1.0
    max_iter: Annotated[int, Field(ge=1, le=100_000)] = 1_000


class OwnTrain(Train):
    """The section of a project that trains its own model: every other key is the project's."""

    model_config = ConfigDict(extra="allow")

    model: Literal["own"] = "own"


AnyTrain = XGBoostTrain | LightGBMTrain | ScorecardTrain | OwnTrain
TRAIN_SECTIONS: Mapping[str, type[Train]] = {one.model_fields["model"].default: one for one in get_args(AnyTrain)}


def _with_model(values: Any) -> Any:
    return {"model": "xgboost", **values} if isinstance(values, dict) else values


class Leakage(Section):
    """What follows from signs of leakage. `expected`: features that rightly rank the outcome as if they knew it."""

    plain: Literal["block", "warn"] = "block"
    other: Literal["block", "warn"] = "warn"
    expected: list[Name] = []


def _leakage_section(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError(f"is no longer one word such as `{value}`; write {{plain: block, other: warn, expected: []}}")
    return value


class MistakeCosts(Section):
    """What a missed event costs, and what a false alarm costs, in any one unit."""

    false_negative: NotNegative
    false_positive: NotNegative


class Evaluate(Section):
    """The thresholds of the gate and what is measured beside them."""

    floors: Annotated[dict[Name, Finite], AfterValidator(check_floors)] = {"roc_auc": 0.70, "pr_auc": 0.45}
    ceilings: Annotated[dict[Name, Finite], AfterValidator(check_ceilings)] = {"brier": 0.20}
    confidence: OpenShare = 0.95
    seed: Seed = 42
    slices: list[Name] = []
    slice_floors: Annotated[dict[Name, Finite], AfterValidator(check_slice_floors)] = {}
    slice_minimum: Annotated[int, Field(ge=2)] = 30
    fairness: list[Name] | None = None
    fairness_limits: dict[FairnessMetric, Share] = {}
    leakage: Annotated[Leakage, BeforeValidator(_leakage_section)] = Leakage()
    event_rate_ratio: Annotated[Finite, Field(gt=1)] = 4.0
    costs: MistakeCosts | None = None


class Champion(Section):
    """What a challenger is compared with, and by how much it may be worse.

    new_data: what decides where no champion is comparable because the data are defined anew. Without it the thresholds do
    after synthetic data, and nothing does after a project's own: that blocks.
    """

    source: Literal["none", "base", "registry", "file"] = "none"
    margins: Annotated[dict[Name, NotNegative], AfterValidator(check_margins)] = {"roc_auc": 0.01}
    confidence: OpenShare = 0.92
    new_data: Literal["thresholds", "block"] | None = None

    @model_validator(mode="after")
    def _decidable(self) -> Champion:
        if self.source != "none" and not self.margins:
            raise ValueError("`margins` is empty, so no comparison can decide; give `roc_auc` a margin, such as 0.01")
        return self


class Sample(Section):
    """The fewest test rows, and rows of the rarer class, that a verdict rests on."""

    rows: Annotated[int, Field(ge=2)] = 200
    per_class: Annotated[int, Field(ge=1)] = 50


def _day(value: Any) -> Any:
    """YAML reads a date by itself; in quotes, and in JSON, it is a text."""
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        return value


class PolicyException(Section):
    """Why thresholds are lower for a while, who approved it, and the last day, in UTC, on which the gate takes it.

    It lowers nothing by itself: the thresholds are lowered in the same change.
    """

    reason: Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S")]
    approved_by: Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]
    until: Annotated[date, BeforeValidator(_day)]


class Gate(Section):
    """How the verdict is reached."""

    decide_on: Literal["point", "bound"] = "point"
    sample: Sample = Sample()
    champion: Champion = Champion()
    inconclusive: Literal["block", "warn"] = "block"
    exception: PolicyException | None = None


class History(Section):
    """K of the last N nightly runs must alarm before anyone is woken.

    A batch is stale `stale_days` after the night that first had it, or that first had rows as new as its newest: 7 for a feed
    that comes once a week.
    """

    k: Annotated[int, Field(ge=1)] = 2
    n: Annotated[int, Field(ge=1)] = 3
    stale_days: Annotated[int, Field(ge=1, le=366)] = 1

    @model_validator(mode="after")
    def _k_of_n(self) -> History:
        if self.k > self.n:
            raise ValueError(f"`k` ({self.k}) is above `n` ({self.n}); k of the last n runs must alarm")
        return self


class DriftPerformance(Section):
    """How outcomes that come later are counted.

    Nothing is said of a decision before it is `maturity_days` old, whatever is known of it by then: early outcomes are mostly
    the bad ones. `vintages` is the number of months of decisions, the newest included, that are looked at.
    """

    maturity_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    vintages: Annotated[int, Field(ge=1, le=120)] = 12


class Drift(Section):
    """When a change of the data is one: see `lockgate.drift.drift_rule`.

    `log_days` says how old the decisions of a log may be that are a night's batch; the outcomes of older ones count all the same.
    `evidently` says whether Evidently's page is drawn; null draws it of up to 100 columns.
    """

    bins: Annotated[int, Field(ge=2, le=100)] = 10
    effect_floor: NotNegative = 0.02
    warn: NotNegative = 0.10
    alert: Annotated[Finite, Field(gt=0)] = 0.25
    family_error: OpenShare = 0.05
    min_rows: Annotated[int, Field(ge=1)] = 200
    unseen_share: Share = 0.01
    log_days: Annotated[int, Field(ge=1, le=36_500)] = 30
    performance: DriftPerformance = DriftPerformance()
    history: History = History()
    evidently: bool | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Drift:
        if not self.effect_floor <= self.warn <= self.alert:
            raise ValueError("`effect_floor`, `warn` and `alert` must not decrease in this order")
        return self


class Decision(Section):
    """The probability of default at which a decision turns."""

    threshold: Share = 0.25
    favourable: Literal["below", "above"] = "below"


class DecisionLog(Section):
    """How many days a decision is kept in the log; null keeps it. `lockgate outcomes forget --expired` removes older ones."""

    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None


class Register(Section):
    """Where an accepted model goes."""

    model_name: Annotated[str, Field(min_length=1, pattern=r"^[^/:.%\"']+$")] = "credit-default-classifier"


class Engine(Section):
    """Where large tables are worked on: here, or by the workers of a Dask scheduler. What comes out is the same.

    `workers` are threads of this process, or processes that Dask starts here, of at most `memory` each; where `scheduler` names
    one that runs, such as tcp://dask.internal:8786, its own workers do it. LOCKGATE_ENGINE and LOCKGATE_SCHEDULER override
    `name` and `scheduler`.
    """

    name: Literal["local", "dask"] = "local"
    scheduler: Annotated[str, Field(pattern=r"^(tcp|tls|ws|wss|ucx)://[^\s/]+$")] | None = None
    workers: Annotated[int, Field(ge=1, le=1000)] = 2
    memory: Annotated[str, Field(pattern=r"^[1-9][0-9]*(\.[0-9]+)?(MB|GB|MiB|GiB)$")] = "4GiB"


class Params(Section):
    """All of `params.yaml`, every default filled in."""

    prepare: Prepare = Prepare()
    train: Annotated[AnyTrain, Field(discriminator="model"), BeforeValidator(_with_model)] = XGBoostTrain()
    evaluate: Evaluate = Evaluate()
    gate: Gate = Gate()
    drift: Drift = Drift()
    decision: Decision = Decision()
    decision_log: DecisionLog = DecisionLog()
    register_: Register = Field(default=Register(), alias="register")
    engine: Engine = Engine()


def read_params(path: Path) -> Params:
    """The validated parameters in `path`.

    Raises InputError with one line naming the file, the key and how to fix it.
    """
    document = read_yaml(path)
    return _validated(Params, document, str(path))


def params_or_defaults(settings: Path, folder: Path = Path()) -> Params:
    """The parameters in a file of `folder`, or the defaults where there is no params.yaml: a table alone needs none."""
    is_default = settings == PARAMS and not (folder / settings).exists()
    return Params() if is_default else read_params(folder / settings)


def parse_read(assignments: Sequence[str], where: str) -> Read:
    """The section `prepare.read` of assignments such as `header=2`; `missing` may be assigned several times.

    Raises InputError naming `where` for what is no assignment, an unknown key and a value that it cannot have.
    """
    document: dict[str, str | list[str]] = {}
    for one in assignments:
        key, equals, value = one.partition("=")
        if not equals:
            raise InputError(f"{where} is `{one}`; write KEY=VALUE, such as header=2")
        document[key] = [*document.get(key, []), value] if key == "missing" else value
    try:
        return Read.model_validate(document, strict=False)  # a command line has texts alone
    except ValidationError as failure:
        raise InputError(f"{where}: {_one_line(Read, failure)}") from None


def read_policy(path: Path) -> tuple[Evaluate, Gate]:
    """The sections `evaluate` and `gate` of a params file; its other sections are somebody else's."""
    document = read_yaml(path)
    policy = {key: value for key, value in document.items() if key in ("evaluate", "gate")}
    if not policy:
        raise InputError(f"{path}: neither `evaluate` nor `gate` is there; a policy is these sections of a params file")
    params = _validated(Params, policy, str(path))
    return params.evaluate, params.gate


SectionType = TypeVar("SectionType", bound=Section)


def _validated(model: type[SectionType], document: dict[str, Any], where: str) -> SectionType:
    try:
        return model.model_validate(document)
    except ValidationError as failure:
        raise InputError(f"{where}: {_one_line(model, failure)}") from None


def _one_line(model: type[Section], failure: ValidationError) -> str:
    """The first error, unknown keys before the others: they are the likely cause of what follows."""
    errors = sorted(failure.errors(include_url=False), key=lambda error: error["type"] != "extra_forbidden")
    error = errors[0]
    path = [str(part) for part in _written(error["loc"])]
    key = ".".join(path)
    if error["type"] == "extra_forbidden":
        section = model
        for part in error["loc"][:-1]:
            section = _section(section, str(part))
        known = [field.alias or name for name, field in section.model_fields.items()]
        return f"unknown key `{key}`; {nearest(path[-1], known)}"
    if error["type"] == "union_tag_invalid":
        return f"`{key}.model`: `{error['ctx']['tag']}` is no kind of model; known are {', '.join(TRAIN_SECTIONS)}"
    message = error["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if error["type"] == "float_type" and isinstance(error["input"], str):
        message += f", not the text {error['input']!r}"
    return f"`{key}`: {message}" if key else message


def _written(location: tuple[int | str, ...]) -> list[int | str]:
    """The keys of a location as they stand in params.yaml: pydantic also names the member of a union that it tried."""
    if location[:1] == ("train",) and location[1:2] and location[1] in TRAIN_SECTIONS:
        location = ("train", *location[2:])
    tags = {"int", "str", "bool", "float"}
    return [part for part in location if not (isinstance(part, str) and ("[" in part or part in tags))]


def _section(model: type[Section], key: str) -> type[Section]:
    """The section that a part of pydantic's location leads to."""
    for name, field in model.model_fields.items():
        if (field.alias or name) == key:
            for kind in (field.annotation, *get_args(field.annotation)):
                if isinstance(kind, type) and issubclass(kind, Section):
                    return kind
    return TRAIN_SECTIONS.get(key, model)
