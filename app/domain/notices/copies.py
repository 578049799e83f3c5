"""Copies: notices that say again what was said, and that nothing replaces.

Belongs here: the causes of copies, and which notices replace each other. Does not belong here: how often a ticket may be sent
again (`app/usecases/tickets.py`), nor what the sender decides (`sending.py`).

A ticket that is sent again on request, and a PDF that follows its mail, repeat content that was sent. By the rule of newer
content they would never be sent. So they belong to no thread: they replace nothing, and nothing replaces them.
"""

from app.domain.notices.kinds import KIND_POLICIES
from app.domain.notices.notice import Notice, NoticeThread

RESEND_PREFIX = "resend "
_PDF_SUFFIX = " pdf"


def resend_cause(request: str) -> str:
    """Return the cause of a ticket that is sent again; `request` names the request, in printable ASCII."""
    return f"{RESEND_PREFIX}{request}"


def pdf_cause(cause: str) -> str:
    """Return the cause of the mail that brings the PDF which the mail of `cause` lacked."""
    return f"{cause}{_PDF_SUFFIX}"


def is_resend(notice: Notice) -> bool:
    """Whether the notice sends a ticket again on request."""
    return notice.cause.startswith(RESEND_PREFIX)


def is_pdf(notice: Notice) -> bool:
    """Whether the notice brings a PDF that an earlier mail lacked."""
    return notice.cause.endswith(_PDF_SUFFIX) and not is_resend(notice)


def first_cause(notice: Notice) -> str:
    """Return the cause of the mail whose PDF a notice brings; of any other notice, its own cause."""
    return notice.cause.removesuffix(_PDF_SUFFIX)


def thread_of(notice: Notice) -> NoticeThread | None:
    """Return the thread in which notices replace the notice; None for a copy."""
    return None if is_resend(notice) or is_pdf(notice) else KIND_POLICIES[notice.kind].thread
