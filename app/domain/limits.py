"""The limits of the business: how much of anything one request, train or document may hold, and why.

Belongs here: limits that are rules. Does not belong here: limits that depend on the machine or the deployment
(`app/config/`).
"""

from datetime import date

PASSENGERS_PER_BOOKING_MAX = 9  # the usual limit of rail and air reservation systems
PASSENGERS_PER_BOOKER_MAX = 5_000  # on one run, the most that a train may allow: all its seats, for a charter
NAME_LENGTH_MAX = 100  # characters; longer than any name on an identity document
EMAIL_LENGTH_MAX = 254  # characters, RFC 5321 section 4.5.3.1.3 less the angle brackets
REQUEST_ID_LENGTH_MAX = 64  # characters; a UUID has 36
TRAIN_ID_LENGTH_MAX = 32  # characters
TRAIN_NUMBER_LENGTH_MAX = 32  # characters
STOP_CODE_LENGTH_MAX = 16  # characters
SHORT_NAME_LENGTH_MAX = 8  # characters of a section's or coach's name, as painted on its door

STOPS_PER_TRAIN_MAX = 60  # its legs fit a signed 64-bit mask, MongoDB's widest integer
# The time zone database is complete from 1970 on. Nobody sells two centuries ahead, and all arithmetic on times stays far
# inside what a `datetime`, a protobuf Timestamp and BSON can hold.
TRAVEL_DATE_MIN = date(1970, 1, 1)
TRAVEL_DATE_MAX = date(2199, 12, 31)
DAY_OFFSET_MAX = 7  # days; the longest journeys take about a week
SECTIONS_PER_TRAIN_MAX = 26  # a letter each
COACHES_PER_TRAIN_MAX = 60  # no passenger train is longer
SEATS_PER_COACH_MAX = 400  # a double-decker holds about 200
SEATS_PER_TRAIN_MAX = 5_000  # the longest trains sell about 1,500; limits a run's document
# Seat numbers that a run ever had, since they never return: every seat of the largest train replaced three times. Limits a
# run's document: 11 bytes each, and 75 where each was a coach of its own.
SEAT_NUMBERS_PER_RUN_MAX = 20_000
FARES_PER_RUN_MAX = 1_000  # (section, fare) at which a run ever sold, 33 bytes each; `verify` checks bookings against them
FARE_MINOR_MAX = 10**12  # keeps every sum inside MongoDB's 64-bit integers
SCHEDULE_DAYS_MAX = 366  # a year's timetable in one call
LAYOUT_OPERATIONS_MAX = 50  # in one change; nobody rebuilds more of a train at a time
LAYOUT_RESERVE_SECONDS_MAX = 15 * 60  # an operator who needs longer to decide plans again
# That one change of a run's layout looks at, on the seats that it may remove: a coach of 400 seats, sold leg by leg.
BOOKINGS_ON_SEATS_MAX = 25_000
DISPLACED_PASSENGERS_MAX = 500  # by one change of a run's layout; limits its commit, which writes all their bookings
LAYOUT_BOOKINGS_MAX = 500  # that one change displaces or promotes; at most 28 kB each of the 16 MB of a commit
LAYOUT_REQUESTS_MAX = 20  # layout changes that a run remembers, to answer repeated requests: 200 bytes each

DELAY_MINUTES_MAX = 24 * 60  # a later train is another day's train: cancel the run
ARRIVAL_LATE_MINUTES_MAX = 7 * 24 * 60  # after the scheduled arrival; beyond, a date was mistyped
REPORT_AHEAD_SECONDS_MAX = 5 * 60  # by which the clock of who reports may be ahead; beyond, no later report could win
EVIDENCE_LENGTH_MAX = 500  # characters: a sentence and the address of a report
LATE_MINUTES_FREE_CANCELLATION = 60  # as Regulation (EU) 2021/782, Article 18, has it
CANCELLED_BOOKINGS_PER_COMMIT = 200  # of a cancelled run; limits the commit, and the time in which it holds up others
RUN_COMPACTED_AFTER_HOURS = 24  # after its scheduled last arrival: the longest delay can no more reopen it then
SALES_OPEN_DAYS_BEFORE_MAX = 366  # nobody sells earlier than a year ahead
SALES_CLOSES_MINUTES_MAX = 30 * 24 * 60
SCHEDULE_HORIZON_DAYS_MAX = 366  # a year's timetable ahead
DEPARTURE_REMINDER_MINUTES_DEFAULT = 3 * 60
DEPARTURE_REMINDER_MINUTES_MAX = 24 * 60  # earlier than the day before, it reminds nobody

REFERENCE_ATTEMPTS_MAX = 8  # references that a request tries; `reference.py` has the probability that all are taken

REFUND_TIERS_MAX = 10
REFUND_HOURS_BEFORE_MAX = 24 * 366  # nobody books earlier
WAITLIST_MAX = 10_000  # bookings on the waitlist of one run: 90 bytes each in its document
WAITLIST_CLOSES_MINUTES_MAX = 30 * 24 * 60
WAITLISTED_PER_USER_MAX = 3  # bookings of one user on the waitlist of a run; more would only displace others
WAITLIST_EXPIRED_PER_DECISION = 200  # limits the commit that closes a long waitlist; the next commits go on

HOLD_SECONDS_DEFAULT = 5 * 60
HOLD_SECONDS_MAX = 15 * 60  # a buyer who needs longer to pay has gone
HOLDS_PER_USER_MAX = 2  # on one run; holds cost nothing, and many of them keep seats from others
HOLDS_PER_RUN_MAX = 2_000  # limits a run's document: 200 bytes each
HOLD_PERCENT_DEFAULT = 25  # of a run's seats may be on hold at a time, since holds cost nothing
HELD_SEATS_ALWAYS_ALLOWED = 9  # seats that may be on hold at a time on any train: one group
HOLD_AGAIN_SECONDS = (
    HOLD_SECONDS_MAX  # until the owner of an expired hold may hold its seats again: so they are held at most half of the time
)
ENDED_HOLDS_PER_RUN_MAX = 500  # that a run remembers, 150 bytes each; the oldest are forgotten first

AUTHORIZATION_SECONDS_MAX = 60  # oldest authorization that a sale uses; older ones are voided

TICKET_RESENDS_PER_DAY_MAX = 5  # for each recipient of a booking: a lost mail, not a way to flood a mailbox
INSPECTION_LIST_MINUTES_MAX = 60  # age of a list that decides on tickets, unless said otherwise: fetched before a train leaves
