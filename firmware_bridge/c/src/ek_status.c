/* Texts of statuses, in a file of their own: firmware that prints none does not carry them. */
#include "ek_status.h"

const char *ek_status_text(ek_status status)
{
    switch (status) {
    case EK_OK:
        return "done";
    case EK_ERR_ARGUMENT:
        return "an argument cannot be right: look for null pointers and indices";
    case EK_ERR_TOO_LONG:
        return "too long: send less at once, or lend a larger buffer";
    case EK_ERR_BUSY:
        return "the transmitter is busy: call ek_link_poll and try again";
    case EK_ERR_CLOSED:
        return "no host listens yet";
    }
    return "unknown status";
}
