/**
 * Flags for Node where it runs the daemon: as a service, as a plugin, and in the bench. Memory for speed that nobody would notice: the work of a request is
 * the kernel's, and the daemon is idle between them. At 1,000 endpoints 134 MB become 89 (docs/benchmarks.md).
 */
export const NODE_FLAGS = ['--max-semi-space-size=1', '--optimize-for-size', '--no-maglev'] as const
