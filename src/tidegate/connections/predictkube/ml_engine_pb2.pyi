# Generated from ml_engine.proto: edit there, then run `make generate`.
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Moment(_message.Message):
    __slots__ = ("seconds", "nanos")
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    NANOS_FIELD_NUMBER: _ClassVar[int]
    seconds: int
    nanos: int
    def __init__(self, seconds: _Optional[int] = ..., nanos: _Optional[int] = ...) -> None: ...

class Item(_message.Message):
    __slots__ = ("timestamp", "value", "metric_name")
    TIMESTAMP_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    METRIC_NAME_FIELD_NUMBER: _ClassVar[int]
    timestamp: Moment
    value: float
    metric_name: str
    def __init__(self, timestamp: _Optional[_Union[Moment, _Mapping]] = ..., value: _Optional[float] = ..., metric_name: _Optional[str] = ...) -> None: ...

class GetPredictMetricRequest(_message.Message):
    __slots__ = ("forecast_horizon", "observations")
    FORECAST_HORIZON_FIELD_NUMBER: _ClassVar[int]
    OBSERVATIONS_FIELD_NUMBER: _ClassVar[int]
    forecast_horizon: int
    observations: _containers.RepeatedCompositeFieldContainer[Item]
    def __init__(self, forecast_horizon: _Optional[int] = ..., observations: _Optional[_Iterable[_Union[Item, _Mapping]]] = ...) -> None: ...

class GetPredictMetricReply(_message.Message):
    __slots__ = ("result_metric",)
    RESULT_METRIC_FIELD_NUMBER: _ClassVar[int]
    result_metric: int
    def __init__(self, result_metric: _Optional[int] = ...) -> None: ...
