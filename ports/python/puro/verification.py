"""What a reader must see, said as a verdict (protocol.md, chapter 11, in part)."""

from .errors import Damaged, NeedsRepair, OutOfRange, Unreadable
from .reader import Reader

SOUND, NEEDS_REPAIR, UNREADABLE, DAMAGED = "sound", "needs repair", "unreadable", "damaged"


def verify(path, environment=None):
    """Reads all of it, and looks at the end twice: verdict, records, and what was found.

    It finds whatever makes a reader stop (R-15), and no more: K-9, K-14, and what stands behind
    the first damage, are left to `puro verify`.
    """
    records, problem, verdict = 0, None, SOUND
    try:
        with Reader(path, environment) as reader:
            while (delivered := reader.next_block()) is not None:
                records += len(delivered)
            if reader.end.is_sealed:
                verdict, problem = NEEDS_REPAIR, "the next segment was not made (K-13)"
            at_end = reader.problem_at_end()
            if at_end is not None:
                raise at_end
    except NeedsRepair as error:
        verdict, problem = NEEDS_REPAIR, str(error)
    except Unreadable as error:
        verdict, problem = UNREADABLE, str(error)
    except (Damaged, OutOfRange) as error:
        verdict, problem = DAMAGED, str(error)
    return verdict, records, problem
