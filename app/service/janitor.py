"""Remove images and results that nobody needs any more."""

from lesionmap.app.serve_settings import ServeSettings
from lesionmap.app.service.job import ENDED, State
from lesionmap.app.service.ledger import Ledger
from lesionmap.app.service.spool import Spool


def tidy(settings: ServeSettings, spool: Spool, ledger: Ledger) -> None:
    """Discard the folders of jobs that ended long enough ago.

    Without a destination the spool is the only place where results are: they stay,
    and only the images go.
    """
    now, keep = ledger.now(), settings.keep
    jobs = {job.id: job for job in ledger.jobs(ENDED)}
    for identifier in list(spool.kept()):
        job = jobs.get(identifier)
        if job is None:
            continue
        hours = keep.failed_h if job.state is State.FAILED else keep.done_h
        if job.changed >= now - hours * 3600:
            continue
        if job.state is State.DONE and not settings.deliver.destinations:
            spool.discard_images(identifier)
        else:
            spool.discard(identifier)
    ledger.forget(now - keep.records_days * 86400)
