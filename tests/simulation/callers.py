"""Callers: passengers, and an operator.

Belongs here: random commands, sensible or not, and the bookings that they know from the answers. All callers
know each other's bookings. Does not belong here: the results of the commands.
"""

import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Any

from app.domain.booking import Booking
from app.domain.commands import (
    CancelBooking,
    ChangeSeat,
    CreateBooking,
    HoldSeats,
    IfFull,
    PromoteWaitlist,
    Promotion,
    ReleaseHold,
    UpdateBooking,
)
from app.domain.people import Caller, Person
from app.domain.refusals import Refusal
from app.domain.run.hold import hold_id, hold_key
from app.domain.run.train_run import TrainRun
from app.usecases.bookings import BookingView, CancellationView
from tests.simulation.calls import TRIES_MAX, Calls, Service
from tests.simulation.dispatcher import Dispatcher
from tests.simulation.layout_operator import OPERATOR, LayoutOperator
from tests.simulation.processes import Process
from tests.simulation.provider import TOKENS
from tests.simulation.record import Violation
from tests.simulation.sales_invariants import refusal_is_wrong

_FIRST_NAMES = ("A", "B", "C", "D")  # of the members of a family


@dataclass
class Purchase:
    """A request that creates a booking. Each repetition must return the same booking."""

    command: CreateBooking
    token: str
    reference: str = ""


class Callers:
    """All callers. `answers_lost` is the share of answers that are lost, `layout_share` the weight of layout changes,
    `disruption_share` that of what a dispatcher does.

    Where they are uniform, each wants one seat for the whole journey, in any section.
    """

    def __init__(
        self,
        service: Service,
        rng: random.Random,
        answers_lost: float,
        *,
        layout_share: int,
        disruption_share: int,
        addresses_count: int,
        are_uniform: bool,
    ) -> None:
        self._service, self._rng, self._are_uniform = service, rng, are_uniform
        self._layout_share, self._disruption_share = layout_share, disruption_share
        self.calls = Calls(service, rng, answers_lost)
        self.operator = LayoutOperator(service, rng, self.calls)
        self.dispatcher = Dispatcher(service, rng, self.calls, cancels_runs=rng.choice((0, 1, 3)))
        self._addresses = [f"p{number}@example.com" for number in range(addresses_count)]
        self._numbers = 0
        self.purchases: list[Purchase] = []
        self.known: dict[str, Booking] = {}
        self._holds: list[tuple[HoldSeats, int]] = []
        self.asked = 0

    # -- calling

    def start_random_call(self) -> None:
        """Start a random call."""
        self.asked += 1
        kinds: list[tuple[Callable[[], Coroutine[Any, Any, None]], int]] = [
            (self._buy, 10),
            (self._hold, 2),
            (self._buy_again, 2),
            (self._promote, 1),
        ]
        if self.known:
            kinds += [(self._cancel, 4), (self._change_seat, 2), (self._update, 2)]
        if self._holds:
            kinds += [(self._release, 1), (self._buy_held, 3), (self._hold_again, 3)]
        if self._layout_share:
            kinds.append((self.operator.change_layout, self._layout_share))
        if self._disruption_share:
            kinds.append((self.dispatcher.act, self._disruption_share))
        kind = self._rng.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])[0]
        self._service.scheduler.spawn(kind(), "caller", "callers")

    # -- buying

    async def _buy(self) -> None:
        rng, run = self._rng, self._rng.choice(self._service.runs)
        count = 1 if self._are_uniform else rng.choice((1, 1, 1, 2, 2, 3))
        origin, destination = self._journey(run)
        section = "" if self._are_uniform else rng.choice(("", "A", "B"))
        seats: tuple[int, ...] = ()
        if section and rng.random() < 0.25:
            seats = tuple(rng.sample(range(1, 4), count))
        await self._send_purchase(
            CreateBooking(
                caller=Caller(who := self._random_address()),
                user=Person("Somebody", "Else", who),
                request_id=self._request_id(),
                train_id=run.train_id,
                travel_date=run.travel_date,
                origin=origin,
                destination=destination,
                section=section,
                passengers=self._random_people(count),
                seat_numbers=seats,
                if_full=IfFull.REJECT if rng.random() < 0.2 else IfFull.WAITLIST,
            )
        )

    async def _buy_held(self) -> None:
        held, count = self._rng.choice(self._holds)
        name = _hold_id(held)
        who = held.caller.email or ""
        await self._send_purchase(
            CreateBooking(
                caller=held.caller,
                user=Person("Some", "Holder", who),
                request_id=self._request_id(),
                train_id=held.train_id,
                travel_date=held.travel_date,
                origin=held.origin,
                destination=held.destination,
                section="",
                passengers=self._random_people(count),
                hold_id=name,
            )
        )

    async def _send_purchase(self, command: CreateBooking) -> None:
        token = self._rng.choice(("", *TOKENS)) if self._rng.random() < 0.7 else ""
        purchase = Purchase(command, token)
        self.purchases.append(purchase)
        if self._rng.random() < 0.1:  # an impatient caller, who clicks twice
            self._service.scheduler.spawn(self.send(purchase), "caller", "callers")
        await self.send(purchase, tries_max=1 if self._rng.random() < 0.1 else TRIES_MAX)

    async def _buy_again(self) -> None:
        if self.purchases:
            await self.send(self._rng.choice(self.purchases))

    async def send(self, purchase: Purchase, *, tries_max: int = TRIES_MAX) -> None:
        command, record = purchase.command, self._service.record
        run_id = f"{command.train_id}:{command.travel_date}"
        at_least = record.newest_revision(run_id, purchase.reference) if purchase.reference else 0
        text = f"buy {command.request_id} for {len(command.passengers)} in {command.section or 'any'} with {purchase.token!r}"
        view: BookingView | None = await self.calls.ask(
            text, lambda server: self._create(server, purchase), tries_max=tries_max
        )
        if view is None:
            return
        booking = view.booking
        self._service.note(f"{text}: {booking.reference} {booking.state} in revision {booking.revision}")
        record.answered(booking, at_least)
        if purchase.reference not in ("", booking.reference) or booking.request_id != command.request_id:
            record.found.append(Violation(f"{text} gave {booking.reference}, and {purchase.reference} before"))
        purchase.reference = booking.reference
        self._learn(booking)

    async def _create(self, server: Process, purchase: Purchase) -> BookingView:
        """Create a booking on a server, and note a refusal that was wrong all the time that the call took."""
        command, record, begin = purchase.command, self._service.record, self._service.now()
        run_id = f"{command.train_id}:{command.travel_date}"
        disruptions = record.disruptions[run_id]
        try:
            return await server.bookings.create(command, purchase.token, self.calls.deadline())
        except Refusal as refusal:
            if record.disruptions[run_id] == disruptions:
                journey, times = (command.origin, command.destination), (begin, self._service.now())
                wrong = refusal_is_wrong(refusal.reason, record.runs[run_id], journey, command.section, times)
                record.found += [Violation(f"buy {command.request_id} {wrong}")] if wrong else []
            raise

    # -- holding

    async def _hold(self) -> None:
        rng, run = self._rng, self._rng.choice(self._service.runs)
        origin, destination = self._journey(run)
        count = rng.choice((1, 2))
        command = HoldSeats(
            caller=Caller(self._random_address()),
            request_id=self._request_id(),
            train_id=run.train_id,
            travel_date=run.travel_date,
            origin=origin,
            destination=destination,
            section=rng.choice(("", "A", "B")),
            seat_numbers=(),
            seat_count=count,
            seconds=rng.choice((60, 300)),
        )
        await self._send_hold(command, count)

    async def _hold_again(self) -> None:
        command, count = self._rng.choice(self._holds)
        is_new = self._rng.random() < 0.5  # by the same caller, perhaps for the same seats
        await self._send_hold(replace(command, request_id=self._request_id()) if is_new else command, count)

    async def _send_hold(self, command: HoldSeats, count: int) -> None:
        text = f"hold {command.request_id} of {count}"
        hold = await self.calls.ask(text, lambda server: server.holds.hold_seats(command, self.calls.deadline()))
        if hold is not None:
            self._service.note(f"{text}: {[seat.label for seat in hold.seats]} until {hold.expire_time:%d %H:%M:%S}")
            if hold.key not in self._service.record.hold_ids:
                self._service.record.found.append(Violation(f"{text} gave hold {hold.key}, which was never committed"))
            self._holds.append((command, count))

    async def _release(self) -> None:
        command, _ = self._rng.choice(self._holds)
        release = ReleaseHold(command.caller, _hold_id(command))
        await self.calls.ask(
            f"release {command.request_id}", lambda server: server.holds.release(release, self.calls.deadline())
        )

    # -- changing

    async def _cancel(self) -> None:
        booking = self._random_booking()
        some = self._rng.sample(booking.passengers, self._rng.randint(1, len(booking.passengers)))
        by = self._rng.choice(("booker", "booker", "booker by address", "booker for all", "passenger"))
        is_quote = self._rng.random() < 0.1
        command = CancelBooking(
            # A passenger who leaves may be the booker, and may name other passengers, which is refused.
            Caller(some[0].email_key if by == "passenger" else booking.user.email),
            booking.reference,
            tuple(passenger.person.email or booking.user.email for passenger in some) if by == "booker by address" else (),
            is_quote,
            self._etag(booking),
            passenger_numbers=tuple(passenger.number for passenger in some) if by in ("booker", "passenger") else (),
        )
        named = command.passenger_numbers or command.passenger_emails or "all"
        text = f"{'quote' if is_quote else 'cancel'} {booking.reference} of {named} by {command.caller.email}"
        at_least = self._newest(booking)
        answer: CancellationView | None = await self.calls.ask(
            text, lambda server: server.bookings.cancel(command, self.calls.deadline())
        )
        if answer is not None and not is_quote:
            self._changed(text, answer.booking.booking, at_least)

    async def _change_seat(self) -> None:
        booking = self._random_booking()
        who, by_number = self._rng.choice(booking.passengers), self._rng.random() < 0.7
        section, number = self._rng.choice(("", "A", "B")), self._rng.choice((0, 0, 1, 2, 3))
        email = "" if by_number else who.person.email or booking.user.email
        command = ChangeSeat(
            Caller(booking.user.email),
            booking.reference,
            email,
            section,
            number,
            self._etag(booking),
            who.number if by_number else 0,
        )
        await self._change(f"move {who.number} of {booking.reference} to {section}-{number}", booking, command)

    async def _update(self) -> None:
        booking = self._random_booking()
        everybody = [passenger.number for passenger in booking.passengers]
        some = tuple(self._rng.sample(everybody, self._rng.randint(1, len(everybody))))
        numbers = some if self._rng.random() < 0.5 else ()
        command = UpdateBooking(
            Caller(booking.user.email),
            booking.reference,
            self._random_people(len(numbers or everybody)),
            frozenset(self._rng.choice((("email",), ("first_name",), ("first_name", "email")))),
            self._etag(booking),
            numbers,
        )
        await self._change(f"update {booking.reference}", booking, command)

    async def _change(self, text: str, booking: Booking, command: UpdateBooking | ChangeSeat) -> None:
        at_least = self._newest(booking)
        view: BookingView | None = await self.calls.ask(
            text, lambda server: server.bookings.change(command, self.calls.deadline())
        )
        if view is not None:
            self._changed(text, view.booking, at_least)

    def _changed(self, text: str, booking: Booking, at_least: int) -> None:
        self._service.note(f"{text}: {booking.state} in revision {booking.revision}")
        self._service.record.answered(booking, at_least)
        self._learn(booking)

    # -- an operator

    async def _promote(self) -> None:
        run = self._rng.choice(self._service.runs)
        command = PromoteWaitlist(OPERATOR, run.train_id, run.travel_date)
        text = f"promote the waitlist of {run.run_id}"
        answer: Promotion | None = await self.calls.ask(
            text, lambda server: server.train_runs.promote_waitlist(command, self.calls.deadline())
        )
        if answer is not None:
            self._service.note(f"{text}: {answer}")
            self._service.record.promoted(answer.references)

    # -- random values

    def _learn(self, booking: Booking) -> None:
        known = self.known.get(booking.reference)
        if known is None or known.revision <= booking.revision:
            self.known[booking.reference] = booking

    def _newest(self, booking: Booking) -> int:
        return self._service.record.newest_revision(booking.journey.run_id, booking.reference)

    def _random_booking(self) -> Booking:
        return self._rng.choice(list(self.known.values()))

    def _etag(self, booking: Booking) -> str:
        return booking.etag if self._rng.random() < 0.2 else ""

    def _random_address(self) -> str:
        return self._rng.choice(self._addresses)

    def _random_people(self, count: int) -> tuple[Person, ...]:
        """Return unrelated people, or a family with one address, which only its first member gives."""
        if self._rng.random() < 0.3:
            first, *others = self._rng.sample(_FIRST_NAMES, count)
            address = self._random_address()
            shared = self._rng.choice((address, ""))
            return Person(first, "Person", address), *(Person(name, "Person", shared) for name in others)
        return tuple(Person("A", "Person", address) for address in self._rng.sample(self._addresses, count))

    def _request_id(self) -> str:
        self._numbers += 1
        return f"request-{self._numbers}"

    def _journey(self, run: TrainRun) -> tuple[str, str]:
        if self._are_uniform:
            return "", ""
        first = self._rng.randrange(len(run.stops) - 1) if self._rng.random() < 0.5 else 0
        last = self._rng.randrange(first + 1, len(run.stops)) if self._rng.random() < 0.5 else len(run.stops) - 1
        return run.stops[first].name, run.stops[last].name


def _hold_id(command: HoldSeats) -> str:
    return hold_id(command.train_id, command.travel_date, hold_key(command.caller.email or "", command.request_id))
