"""Who may see or change a booking.

Belongs here: permissions on a booking. Does not belong here: what is changed (the other modules of this folder), roles
(`app/domain/people.py`).

    who                                        sees it   changes it   cancels
    -----------------------------------------  --------  -----------  -----------------------------------
    booker, operators                          yes       yes          any passenger
    a passenger                                yes       no           the passengers with the own address
    a passenger who was cancelled              no        no           again, without a change
    everybody else                             no        no           no

Who may not see a booking does not learn whether it exists. A passenger of a booking that was cancelled as a whole still sees
it, unless its last passengers cancelled themselves: then only the booker and operators do.
"""

from app.domain.booking import Booking, Passenger
from app.domain.commands import CancelBooking
from app.domain.passenger import all_passengers, named_numbers
from app.domain.people import Caller, email_key, require_identified
from app.domain.refusals import Reason, Refusal


def require_visible(booking: Booking | None, caller: Caller, reference: str) -> Booking:
    """Return the booking to its booker, its passengers and operators. Refuse everybody else."""
    require_identified(caller)
    if booking is not None and can_see(booking, caller):
        return booking
    raise _not_yours(caller, reference)


def require_changeable(booking: Booking | None, caller: Caller, reference: str) -> Booking:
    """Return the booking to its booker and to operators. Refuse everybody else."""
    require_identified(caller)
    if booking is not None and _owns(booking, caller):
        return booking
    raise _not_yours(caller, reference)


def require_cancellable(booking: Booking | None, command: CancelBooking) -> Booking:
    """Return the booking to who may cancel what the command names: booker, operators, and passengers for themselves.

    Refuses NOT_PERMITTED where it names somebody else, and INVALID_FIELD where it names nobody, to a caller who may see the
    booking.
    """
    caller = command.caller
    require_identified(caller)
    if booking is None:
        raise _not_yours(caller, command.reference)
    if _owns(booking, caller):
        return booking
    own = {passenger.number for passenger in own_passengers(booking, caller)}
    if not own or (not can_see(booking, caller) and not _names_only(command, own)):
        raise _not_yours(caller, command.reference)
    if own.issuperset(named_numbers(booking, command)):
        return booking
    if not can_see(booking, caller):
        raise _not_yours(caller, command.reference)
    raise Refusal(Reason.NOT_PERMITTED, "a passenger may cancel nobody else; name your own passenger_numbers")


def can_see(booking: Booking, caller: Caller) -> bool:
    """Whether the caller may see the booking."""
    return _owns(booking, caller) or is_passenger_of(booking, caller.key)


def is_visible_to(booking: Booking, key: str) -> bool:
    """Whether the person with this address, as compared, may see the booking as its booker or passenger."""
    return key == booking.user_key or is_passenger_of(booking, key)


def is_passenger_of(booking: Booking, key: str | None) -> bool:
    """Whether a passenger with this address, as compared, is on the booking, or was when it was cancelled as a whole."""
    return not booking.is_vacated and any(key == passenger.email_key for passenger in booking.passengers)


def removes_itself(booking: Booking, caller: Caller) -> bool:
    """Whether a cancellation by this caller is that of a passenger who leaves somebody else's booking."""
    return not _owns(booking, caller)


def own_passengers(booking: Booking, caller: Caller) -> tuple[Passenger, ...]:
    """Return the passengers who have the caller's address, cancelled ones included."""
    return tuple(passenger for passenger in all_passengers(booking) if passenger.email_key == caller.key)


def _owns(booking: Booking, caller: Caller) -> bool:
    return caller.is_operator or caller.key == booking.user_key


def _names_only(command: CancelBooking, own: set[int]) -> bool:
    """Whether the command names nothing but the caller's own numbers and address."""
    emails = [email_key(email) for email in command.passenger_emails]
    return own.issuperset(command.passenger_numbers) and all(key == command.caller.key for key in emails)


def _not_yours(caller: Caller, reference: str) -> Refusal:
    if caller.is_operator:
        return Refusal(Reason.BOOKING_NOT_FOUND, f"there is no booking {reference}", resource=("booking", reference))
    return Refusal(Reason.NOT_PERMITTED, f"booking {reference} is not yours, or there is none")
