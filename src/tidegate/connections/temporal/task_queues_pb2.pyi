# Generated from task_queues.proto: edit there, then run `make generate`.
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class TaskQueueType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_QUEUE_TYPE_UNSPECIFIED: _ClassVar[TaskQueueType]
    TASK_QUEUE_TYPE_WORKFLOW: _ClassVar[TaskQueueType]
    TASK_QUEUE_TYPE_ACTIVITY: _ClassVar[TaskQueueType]
    TASK_QUEUE_TYPE_NEXUS: _ClassVar[TaskQueueType]

class TaskQueueKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TASK_QUEUE_KIND_UNSPECIFIED: _ClassVar[TaskQueueKind]
    TASK_QUEUE_KIND_NORMAL: _ClassVar[TaskQueueKind]

class DescribeTaskQueueMode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DESCRIBE_TASK_QUEUE_MODE_UNSPECIFIED: _ClassVar[DescribeTaskQueueMode]
    DESCRIBE_TASK_QUEUE_MODE_ENHANCED: _ClassVar[DescribeTaskQueueMode]

class VersionStatus(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    VERSION_STATUS_UNSPECIFIED: _ClassVar[VersionStatus]
    VERSION_STATUS_INACTIVE: _ClassVar[VersionStatus]
    VERSION_STATUS_CURRENT: _ClassVar[VersionStatus]
    VERSION_STATUS_RAMPING: _ClassVar[VersionStatus]
    VERSION_STATUS_DRAINING: _ClassVar[VersionStatus]
    VERSION_STATUS_DRAINED: _ClassVar[VersionStatus]
    VERSION_STATUS_CREATED: _ClassVar[VersionStatus]
TASK_QUEUE_TYPE_UNSPECIFIED: TaskQueueType
TASK_QUEUE_TYPE_WORKFLOW: TaskQueueType
TASK_QUEUE_TYPE_ACTIVITY: TaskQueueType
TASK_QUEUE_TYPE_NEXUS: TaskQueueType
TASK_QUEUE_KIND_UNSPECIFIED: TaskQueueKind
TASK_QUEUE_KIND_NORMAL: TaskQueueKind
DESCRIBE_TASK_QUEUE_MODE_UNSPECIFIED: DescribeTaskQueueMode
DESCRIBE_TASK_QUEUE_MODE_ENHANCED: DescribeTaskQueueMode
VERSION_STATUS_UNSPECIFIED: VersionStatus
VERSION_STATUS_INACTIVE: VersionStatus
VERSION_STATUS_CURRENT: VersionStatus
VERSION_STATUS_RAMPING: VersionStatus
VERSION_STATUS_DRAINING: VersionStatus
VERSION_STATUS_DRAINED: VersionStatus
VERSION_STATUS_CREATED: VersionStatus

class TaskQueue(_message.Message):
    __slots__ = ("name", "kind")
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: TaskQueueKind
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[_Union[TaskQueueKind, str]] = ...) -> None: ...

class TaskQueueStats(_message.Message):
    __slots__ = ("approximate_backlog_count",)
    APPROXIMATE_BACKLOG_COUNT_FIELD_NUMBER: _ClassVar[int]
    approximate_backlog_count: int
    def __init__(self, approximate_backlog_count: _Optional[int] = ...) -> None: ...

class TaskQueueVersionSelection(_message.Message):
    __slots__ = ("build_ids", "unversioned", "all_active")
    BUILD_IDS_FIELD_NUMBER: _ClassVar[int]
    UNVERSIONED_FIELD_NUMBER: _ClassVar[int]
    ALL_ACTIVE_FIELD_NUMBER: _ClassVar[int]
    build_ids: _containers.RepeatedScalarFieldContainer[str]
    unversioned: bool
    all_active: bool
    def __init__(self, build_ids: _Optional[_Iterable[str]] = ..., unversioned: _Optional[bool] = ..., all_active: _Optional[bool] = ...) -> None: ...

class TaskQueueTypeInfo(_message.Message):
    __slots__ = ("stats",)
    STATS_FIELD_NUMBER: _ClassVar[int]
    stats: TaskQueueStats
    def __init__(self, stats: _Optional[_Union[TaskQueueStats, _Mapping]] = ...) -> None: ...

class TaskQueueVersionInfo(_message.Message):
    __slots__ = ("types_info",)
    class TypesInfoEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: TaskQueueTypeInfo
        def __init__(self, key: _Optional[int] = ..., value: _Optional[_Union[TaskQueueTypeInfo, _Mapping]] = ...) -> None: ...
    TYPES_INFO_FIELD_NUMBER: _ClassVar[int]
    types_info: _containers.MessageMap[int, TaskQueueTypeInfo]
    def __init__(self, types_info: _Optional[_Mapping[int, TaskQueueTypeInfo]] = ...) -> None: ...

class DescribeTaskQueueRequest(_message.Message):
    __slots__ = ("namespace", "task_queue", "task_queue_type", "api_mode", "versions", "task_queue_types", "report_stats")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUE_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUE_TYPE_FIELD_NUMBER: _ClassVar[int]
    API_MODE_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    TASK_QUEUE_TYPES_FIELD_NUMBER: _ClassVar[int]
    REPORT_STATS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    task_queue: TaskQueue
    task_queue_type: TaskQueueType
    api_mode: DescribeTaskQueueMode
    versions: TaskQueueVersionSelection
    task_queue_types: _containers.RepeatedScalarFieldContainer[TaskQueueType]
    report_stats: bool
    def __init__(self, namespace: _Optional[str] = ..., task_queue: _Optional[_Union[TaskQueue, _Mapping]] = ..., task_queue_type: _Optional[_Union[TaskQueueType, str]] = ..., api_mode: _Optional[_Union[DescribeTaskQueueMode, str]] = ..., versions: _Optional[_Union[TaskQueueVersionSelection, _Mapping]] = ..., task_queue_types: _Optional[_Iterable[_Union[TaskQueueType, str]]] = ..., report_stats: _Optional[bool] = ...) -> None: ...

class DescribeTaskQueueResponse(_message.Message):
    __slots__ = ("versions_info", "stats")
    class VersionsInfoEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: TaskQueueVersionInfo
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[TaskQueueVersionInfo, _Mapping]] = ...) -> None: ...
    VERSIONS_INFO_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    versions_info: _containers.MessageMap[str, TaskQueueVersionInfo]
    stats: TaskQueueStats
    def __init__(self, versions_info: _Optional[_Mapping[str, TaskQueueVersionInfo]] = ..., stats: _Optional[_Union[TaskQueueStats, _Mapping]] = ...) -> None: ...

class WorkerDeploymentVersion(_message.Message):
    __slots__ = ("build_id", "deployment_name")
    BUILD_ID_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_NAME_FIELD_NUMBER: _ClassVar[int]
    build_id: str
    deployment_name: str
    def __init__(self, build_id: _Optional[str] = ..., deployment_name: _Optional[str] = ...) -> None: ...

class WorkerDeploymentVersionInfo(_message.Message):
    __slots__ = ("status",)
    STATUS_FIELD_NUMBER: _ClassVar[int]
    status: VersionStatus
    def __init__(self, status: _Optional[_Union[VersionStatus, str]] = ...) -> None: ...

class VersionTaskQueue(_message.Message):
    __slots__ = ("name", "type", "stats")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    STATS_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: TaskQueueType
    stats: TaskQueueStats
    def __init__(self, name: _Optional[str] = ..., type: _Optional[_Union[TaskQueueType, str]] = ..., stats: _Optional[_Union[TaskQueueStats, _Mapping]] = ...) -> None: ...

class DescribeWorkerDeploymentVersionRequest(_message.Message):
    __slots__ = ("namespace", "deployment_version", "report_task_queue_stats")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    DEPLOYMENT_VERSION_FIELD_NUMBER: _ClassVar[int]
    REPORT_TASK_QUEUE_STATS_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    deployment_version: WorkerDeploymentVersion
    report_task_queue_stats: bool
    def __init__(self, namespace: _Optional[str] = ..., deployment_version: _Optional[_Union[WorkerDeploymentVersion, _Mapping]] = ..., report_task_queue_stats: _Optional[bool] = ...) -> None: ...

class DescribeWorkerDeploymentVersionResponse(_message.Message):
    __slots__ = ("worker_deployment_version_info", "version_task_queues")
    WORKER_DEPLOYMENT_VERSION_INFO_FIELD_NUMBER: _ClassVar[int]
    VERSION_TASK_QUEUES_FIELD_NUMBER: _ClassVar[int]
    worker_deployment_version_info: WorkerDeploymentVersionInfo
    version_task_queues: _containers.RepeatedCompositeFieldContainer[VersionTaskQueue]
    def __init__(self, worker_deployment_version_info: _Optional[_Union[WorkerDeploymentVersionInfo, _Mapping]] = ..., version_task_queues: _Optional[_Iterable[_Union[VersionTaskQueue, _Mapping]]] = ...) -> None: ...

class CountWorkflowExecutionsRequest(_message.Message):
    __slots__ = ("namespace", "query")
    NAMESPACE_FIELD_NUMBER: _ClassVar[int]
    QUERY_FIELD_NUMBER: _ClassVar[int]
    namespace: str
    query: str
    def __init__(self, namespace: _Optional[str] = ..., query: _Optional[str] = ...) -> None: ...

class CountWorkflowExecutionsResponse(_message.Message):
    __slots__ = ("count",)
    COUNT_FIELD_NUMBER: _ClassVar[int]
    count: int
    def __init__(self, count: _Optional[int] = ...) -> None: ...
