"""The bounds of the business: how much of anything one request, train or document may hold, and why.

Belongs here: limits that are rules. Does not: limits that depend on the machine or the deployment (`app/config.py`).
"""

from datetime import date

PASSENGERS_PER_BOOKING_MAX = 9  # what rail and air reservation systems have settled on for one booking
PASSENGERS_PER_BOOKER_MAX = 5_000  # of one run, the most that a train may allow: all its seats, as a charter needs
NAME_LENGTH_MAX = 100  # characters; longer than any name on an identity document
EMAIL_LENGTH_MAX = 254  # characters, RFC 5321 section 4.5.3.1.3 less the angle brackets
REQUEST_ID_LENGTH_MAX = 64  # characters; a UUID has 36
TRAIN_ID_LENGTH_MAX = 32  # characters
TRAIN_NUMBER_LENGTH_MAX = 32  # characters
STOP_CODE_LENGTH_MAX = 16  # characters
SHORT_NAME_LENGTH_MAX = 8  # characters of a section's or coach's name, as painted on its door

STOPS_PER_TRAIN_MAX = 60  # its legs fit a signed 64-bit mask, MongoDB's widest integer
# The time zone database is complete from 1970 on. Nobody sells two centuries ahead, and all arithmetic on times that rests on
# these dates stays far inside what a `datetime`, a protobuf Timestamp and BSON can hold.
TRAVEL_DATE_MIN = date(1970, 1, 1)
TRAVEL_DATE_MAX = date(2199, 12, 31)
DAY_OFFSET_MAX = 7  # days; the longest journeys take about a week
SECTIONS_PER_TRAIN_MAX = 26  # a letter each
COACHES_PER_TRAIN_MAX = 60  # no passenger train is longer
SEATS_PER_COACH_MAX = 400  # a double-decker holds about 200
SEATS_PER_TRAIN_MAX = 5_000  # the longest trains sell about 1,500; keeps a run's document in bounds
FARE_MINOR_MAX = 10**12  # keeps every sum inside MongoDB's 64-bit integers
SCHEDULE_DAYS_MAX = 366  # a year's timetable in one call

REFERENCE_ATTEMPTS_MAX = 8  # references that a request tries; `reference.py` says how likely all are taken

REFUND_TIERS_MAX = 10
REFUND_HOURS_BEFORE_MAX = 24 * 366  # nobody books earlier
WAITLIST_MAX = 10_000  # waiting bookings of one run: 90 bytes each in its document
WAITLIST_CLOSES_MINUTES_MAX = 30 * 24 * 60
WAITLISTED_PER_USER_MAX = 3  # waiting bookings of one user on one run; more of them would only crowd others out
WAITLIST_EXPIRED_PER_DECISION = 200  # keeps the commit that closes a long list in bounds; the next ones go on

HOLD_SECONDS_DEFAULT = 5 * 60
HOLD_SECONDS_MAX = 15 * 60  # a buyer who needs longer to pay has gone
HOLDS_PER_USER_MAX = 2  # on one run; holds cost nothing, and who takes many keeps seats from others
HOLDS_PER_RUN_MAX = 2_000  # keeps a run's document in bounds: 200 bytes each
HOLD_PERCENT_DEFAULT = 25  # of a run's seats may be on hold at a time; holds cost nothing, and most seats are to be sold
HELD_SEATS_ALWAYS_ALLOWED = 9  # seats that may be on hold at a time however small the train is: one group
HOLD_AGAIN_SECONDS = HOLD_SECONDS_MAX  # before who let a hold run out may hold its seats again: at most half of the time
ENDED_HOLDS_PER_RUN_MAX = 500  # that a run remembers, 150 bytes each; those over for longest are forgotten first

AUTHORIZATION_SECONDS_MAX = 60  # a sale rests only on money that was set aside this recently; what is older is let go
