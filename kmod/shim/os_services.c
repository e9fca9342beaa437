// SPDX-License-Identifier: GPL-2.0-only
/* abi/os_services.h for the kernel, but for the reading of live mms, which is in live_mm.c. */
#include "svma.h"

void *svma_os_vm_area_alloc(void)
{
	return svma_pool_alloc(&svma_vma_pool);
}

void svma_os_vm_area_free(void *node)
{
	svma_pool_free(&svma_vma_pool, node);
}

void *svma_os_avc_alloc(void)
{
	return svma_pool_alloc(&svma_avc_pool);
}

void svma_os_avc_free(void *avc)
{
	svma_pool_free(&svma_avc_pool, avc);
}

void *svma_os_anon_vma_alloc(void)
{
	return svma_pool_alloc(&svma_anon_vma_pool);
}

void svma_os_anon_vma_free(void *anon_vma)
{
	svma_pool_free(&svma_anon_vma_pool, anon_vma);
}

void *svma_os_file_rmap_alloc(void)
{
	return svma_pool_alloc(&svma_file_rmap_pool);
}

void svma_os_file_rmap_free(void *file)
{
	svma_pool_free(&svma_file_rmap_pool, file);
}

static DEFINE_SPINLOCK(rmap_lock);

void svma_os_rmap_lock(void)
{
	svma_lock(&rmap_lock);
}

void svma_os_rmap_unlock(void)
{
	spin_unlock(&rmap_lock);
}

void svma_os_check_failed(const char *file, int line, const char *what)
{
	WARN_ONCE(1, "svma: %s:%d: %s does not hold\n", file, line, what);
}
