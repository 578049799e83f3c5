"""All rules of the audit: one list for each kind of record.

Belongs here: which rule belongs to which check. A new rule is a function in the module of its subject and a line here. Does not
belong here: the rules themselves, or reading records (`app/usecases/verification`).
"""

from collections.abc import Sequence

from app.domain.audit import (
    bookings,
    events,
    jobs,
    layout_jobs,
    layouts,
    money,
    notices,
    notification_preferences,
    payments,
    run_cancellations,
    run_delays,
    run_events,
    runs,
    sales_windows,
    seats,
    trains,
    users,
    waitlist,
    webhooks,
)
from app.domain.audit.check import Check, Rule
from app.domain.audit.run_record import AuditedRun, RunReferences
from app.domain.train import StoredTrain

RUN_INVENTORY_RULES: Sequence[Rule[AuditedRun]] = (
    Rule(Check.SOLD_ONCE, seats.seats_sold_twice),
    Rule(Check.SOLD_LEGS, seats.wrong_sold_legs),
    Rule(Check.INVENTORY, seats.wrong_inventory),
    Rule(Check.RETIRED_SEATS, layouts.wrong_retired_seats),
    Rule(Check.ONE_BOOKING, seats.passengers_on_two_bookings),
    Rule(Check.PASSENGER_NUMBERS, seats.wrong_passenger_numbers),
    Rule(Check.REVISIONS, seats.bookings_newer_than_run),
    Rule(Check.WAITLIST, waitlist.wrong_entries),
    Rule(Check.WAITLIST, waitlist.wrong_waitlisted_bookings),
    Rule(Check.PROMOTIONS, waitlist.missing_promotions),
    Rule(Check.DUE, runs.overdue),
    Rule(Check.DUE, run_delays.clock_behind),
    Rule(Check.DUE, run_cancellations.open_cancellation),
)
RUN_BOOKING_RULES: Sequence[Rule[AuditedRun]] = (
    Rule(Check.JOURNEYS, bookings.wrong_journeys),
    Rule(Check.COACHES, bookings.wrong_coaches),
    Rule(Check.FARES, bookings.wrong_fares),
    Rule(Check.FARES, bookings.wrong_charges),
    Rule(Check.FARES, bookings.wrong_refunds),
    Rule(Check.FARES, run_cancellations.wrong_refund_reasons),
    Rule(Check.NAMES, bookings.wrong_names),
    Rule(Check.STATES, bookings.wrong_states),
    Rule(Check.HISTORY, bookings.wrong_history),
)
RUN_DOCUMENT_RULES: Sequence[Rule[AuditedRun]] = (
    Rule(Check.LAYOUT, runs.differs_from_train),
    Rule(Check.LAYOUT, layouts.wrong_layout),
    Rule(Check.LAYOUT, layouts.wrong_sections),
    Rule(Check.LAYOUT, layouts.wrong_layout_record),
    Rule(Check.LAYOUT, layouts.wrong_layout_reservation),
    Rule(Check.MOMENTS, runs.wrong_moments),
    Rule(Check.HOLDS, runs.wrong_holds),
    Rule(Check.HOLDS, runs.wrong_ended_holds),
    Rule(Check.EVENTS, runs.late_outbox),
)
RUN_DISRUPTION_RULES: Sequence[Rule[AuditedRun]] = (
    Rule(Check.DELAYS, run_delays.wrong_delay),
    Rule(Check.DELAYS, run_delays.wrong_arrivals),
    Rule(Check.DELAYS, run_events.differs_from_last_delay),
    Rule(Check.DELAYS, run_events.differs_from_arrivals),
    Rule(Check.CLOCK, run_delays.wrong_clock),
    Rule(Check.CLOCK, run_delays.wrong_compaction),
    Rule(Check.CLOCK, run_events.differs_from_clock_events),
    Rule(Check.CANCELLATIONS, run_cancellations.wrong_cancellation),
    Rule(Check.CANCELLATIONS, run_cancellations.left_by_cancellation),
    Rule(Check.CANCELLATIONS, run_cancellations.wrong_cancellation_counts),
    Rule(Check.CANCELLATIONS, run_cancellations.not_refunded_by_cancellation),
    Rule(Check.CANCELLATIONS, run_events.differs_from_cancellation),
    Rule(Check.SALES_WINDOWS, sales_windows.wrong_sales_windows),
    Rule(Check.SALES_WINDOWS, sales_windows.sold_before_opening),
)
RUN_RULES: Sequence[Rule[AuditedRun]] = (
    *RUN_INVENTORY_RULES,
    *RUN_BOOKING_RULES,
    *RUN_DOCUMENT_RULES,
    *RUN_DISRUPTION_RULES,
)
REFERENCE_RULES: Sequence[Rule[RunReferences]] = (Rule(Check.REFERENCES, runs.wrong_references),)
CHARGE_RULES: Sequence[Rule[money.AuditedCharge]] = (
    Rule(Check.RECORDED, money.missing_payment),
    Rule(Check.BALANCE, money.wrong_balance),
    Rule(Check.BALANCE, money.refused_refunds),
    Rule(Check.BALANCE, money.wrong_authorization),
    Rule(Check.BALANCE, money.wrong_refund_times),
)
PAYMENT_RULES: Sequence[Rule[payments.PaymentRecord]] = (
    Rule(Check.ATTEMPTS, payments.wrong_payment_id),
    Rule(Check.ATTEMPTS, payments.wrong_attempts),
    Rule(Check.ATTEMPTS, payments.wrong_times),
    Rule(Check.ATTEMPTS, payments.wrong_refunds),
    Rule(Check.ATTEMPTS, payments.malformed_payment),
)
PAYMENT_MONEY_RULES: Sequence[Rule[money.AuditedPayment]] = (
    Rule(Check.BALANCE, money.excess_capture),
    Rule(Check.CHARGED_FOR, money.captured_without_booking),
    Rule(Check.CAPTURED_ONCE, money.captured_twice),
    Rule(Check.VOIDED, money.unused_authorization),
    Rule(Check.LEDGER, money.wrong_entry),
)
LEDGER_ENTRY_RULES: Sequence[Rule[money.AuditedEntry]] = (
    Rule(Check.LEDGER, money.wrong_entry_sums),
    Rule(Check.LEDGER, money.orphan_entry),
)
COMMIT_RULES: Sequence[Rule[events.AuditedCommit]] = (Rule(Check.HISTORY, events.wrong_commit),)
EVENT_RULES: Sequence[Rule[events.AuditedEvent]] = (
    Rule(Check.HISTORY, events.wrong_event_data),
    Rule(Check.HISTORY, events.wrong_event_booking),
    Rule(Check.EVENTS, events.unprocessed_event),
)
JOB_RULES: Sequence[Rule[jobs.AuditedJob]] = (
    Rule(Check.JOB_FIELDS, jobs.wrong_job_times),
    Rule(Check.JOB_FIELDS, jobs.wrong_job_progress),
    Rule(Check.JOB_FIELDS, jobs.wrong_job_origin),
    Rule(Check.JOBS, jobs.dead_job),
)
WEBHOOK_RULES: Sequence[Rule[webhooks.AuditedWebhook]] = (
    Rule(Check.SHAPE, webhooks.invalid_webhook),
    Rule(Check.SHAPE, webhooks.wrong_secrets),
    Rule(Check.SHAPE, webhooks.wrong_webhook_version),
)
DELIVERY_RULES: Sequence[Rule[webhooks.AuditedDelivery]] = (
    Rule(Check.DELIVERIES, webhooks.wrong_delivery_origin),
    Rule(Check.DELIVERIES, webhooks.wrong_delivery_state),
    Rule(Check.DELIVERIES, webhooks.wrong_delivery_attempts),
)
NOTICE_RULES: Sequence[Rule[notices.AuditedNotice]] = (
    Rule(Check.NOTICE_FIELDS, notices.wrong_notice_id),
    Rule(Check.NOTICE_FIELDS, notices.wrong_notice_state),
    Rule(Check.NOTICE_FIELDS, notices.wrong_notice_attempts),
    Rule(Check.NOTICE_FIELDS, notices.wrong_due_time),
    Rule(Check.NOTICES, notices.wrong_notice_booking),
    Rule(Check.NOTICES, notices.wrong_notice_recipient),
    Rule(Check.NOTICES, notices.wrong_notice_event),
    Rule(Check.NOTICES, notices.wrong_notice_cause),
    Rule(Check.NOTICES, notices.lost_notice),
)
NOTIFICATION_PREFERENCES_RULES: Sequence[Rule[notification_preferences.AuditedPreferences]] = (
    Rule(Check.SHAPE, notification_preferences.invalid_preferences),
    Rule(Check.SHAPE, notification_preferences.wrong_preferences_record),
)
TRAIN_RULES: Sequence[Rule[StoredTrain]] = (Rule(Check.SHAPE, trains.invalid_train),)
TRAIN_VERSION_RULES: Sequence[Rule[trains.AuditedTrainVersion]] = (
    Rule(Check.SHAPE, trains.invalid_train_version),
    Rule(Check.TRAIN_VERSIONS, trains.wrong_train_version),
)
NEW_LAYOUT_JOB_RULES: Sequence[Rule[layout_jobs.AuditedNewLayoutJob]] = (
    Rule(Check.LAYOUT_JOBS, layout_jobs.wrong_new_layout_job),
)
LAYOUT_JOB_RULES: Sequence[Rule[layout_jobs.AuditedLayoutJob]] = (
    Rule(Check.LAYOUT_JOBS, layout_jobs.wrong_layout_job),
    Rule(Check.LAYOUT_JOBS, layout_jobs.wrong_layout_job_progress),
)
LAYOUT_OUTCOME_RULES: Sequence[Rule[layout_jobs.AuditedLayoutOutcome]] = (
    Rule(Check.LAYOUT_JOBS, layout_jobs.wrong_layout_outcome),
    Rule(Check.LAYOUT_JOBS, layout_jobs.wrong_outcome_of_run),
)
USER_RULES: Sequence[Rule[users.AuditedUser]] = (
    Rule(Check.FIELDS, users.wrong_user_fields),
    Rule(Check.SHAPE, users.nameless_user),
)
