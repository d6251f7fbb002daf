from buf.validate import validate_pb2 as _validate_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SpendingLimit(_message.Message):
    __slots__ = ("wallet_name", "amount_minor", "duration", "strategy", "currency", "spent_minor", "held_minor", "remaining_minor", "window_start_unix", "window_end_unix", "last_reached_at_unix")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    SPENT_MINOR_FIELD_NUMBER: _ClassVar[int]
    HELD_MINOR_FIELD_NUMBER: _ClassVar[int]
    REMAINING_MINOR_FIELD_NUMBER: _ClassVar[int]
    WINDOW_START_UNIX_FIELD_NUMBER: _ClassVar[int]
    WINDOW_END_UNIX_FIELD_NUMBER: _ClassVar[int]
    LAST_REACHED_AT_UNIX_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    amount_minor: int
    duration: str
    strategy: str
    currency: str
    spent_minor: int
    held_minor: int
    remaining_minor: int
    window_start_unix: int
    window_end_unix: int
    last_reached_at_unix: int
    def __init__(self, wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., duration: _Optional[str] = ..., strategy: _Optional[str] = ..., currency: _Optional[str] = ..., spent_minor: _Optional[int] = ..., held_minor: _Optional[int] = ..., remaining_minor: _Optional[int] = ..., window_start_unix: _Optional[int] = ..., window_end_unix: _Optional[int] = ..., last_reached_at_unix: _Optional[int] = ...) -> None: ...

class GetSpendingLimitRequest(_message.Message):
    __slots__ = ("wallet_name",)
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    def __init__(self, wallet_name: _Optional[str] = ...) -> None: ...

class GetSpendingLimitResponse(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: SpendingLimit
    def __init__(self, limit: _Optional[_Union[SpendingLimit, _Mapping]] = ...) -> None: ...

class SetSpendingLimitRequest(_message.Message):
    __slots__ = ("wallet_name", "amount_minor", "duration", "strategy")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    DURATION_FIELD_NUMBER: _ClassVar[int]
    STRATEGY_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    amount_minor: int
    duration: str
    strategy: str
    def __init__(self, wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., duration: _Optional[str] = ..., strategy: _Optional[str] = ...) -> None: ...

class SetSpendingLimitResponse(_message.Message):
    __slots__ = ("limit",)
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    limit: SpendingLimit
    def __init__(self, limit: _Optional[_Union[SpendingLimit, _Mapping]] = ...) -> None: ...

class DeleteSpendingLimitRequest(_message.Message):
    __slots__ = ("wallet_name",)
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    def __init__(self, wallet_name: _Optional[str] = ...) -> None: ...

class DeleteSpendingLimitResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class AuthorizeSpendRequest(_message.Message):
    __slots__ = ("wallet_name", "amount_minor", "meter", "quantity")
    WALLET_NAME_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    METER_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    wallet_name: str
    amount_minor: int
    meter: str
    quantity: str
    def __init__(self, wallet_name: _Optional[str] = ..., amount_minor: _Optional[int] = ..., meter: _Optional[str] = ..., quantity: _Optional[str] = ...) -> None: ...

class AuthorizeSpendResponse(_message.Message):
    __slots__ = ("allowed", "denial_reasons", "amount_minor", "cost_minor_decimal", "discount_minor_decimal", "currency", "available_minor", "held_minor", "available_after_minor", "limit_remaining_minor")
    ALLOWED_FIELD_NUMBER: _ClassVar[int]
    DENIAL_REASONS_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_MINOR_FIELD_NUMBER: _ClassVar[int]
    COST_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    DISCOUNT_MINOR_DECIMAL_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_MINOR_FIELD_NUMBER: _ClassVar[int]
    HELD_MINOR_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_AFTER_MINOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_REMAINING_MINOR_FIELD_NUMBER: _ClassVar[int]
    allowed: bool
    denial_reasons: _containers.RepeatedScalarFieldContainer[str]
    amount_minor: int
    cost_minor_decimal: str
    discount_minor_decimal: str
    currency: str
    available_minor: int
    held_minor: int
    available_after_minor: int
    limit_remaining_minor: int
    def __init__(self, allowed: _Optional[bool] = ..., denial_reasons: _Optional[_Iterable[str]] = ..., amount_minor: _Optional[int] = ..., cost_minor_decimal: _Optional[str] = ..., discount_minor_decimal: _Optional[str] = ..., currency: _Optional[str] = ..., available_minor: _Optional[int] = ..., held_minor: _Optional[int] = ..., available_after_minor: _Optional[int] = ..., limit_remaining_minor: _Optional[int] = ...) -> None: ...
