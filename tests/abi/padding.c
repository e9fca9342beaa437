/* SPDX-License-Identifier: GPL-2.0-only */
/* Compiled with -Wpadded -Werror: a hole in a structure of the interface does not compile. */
#include "uapi/svma.h"

extern int svma_padding_has_no_code;
