import type { FastifyReply } from 'fastify'

/** A client that gives up closes its connection; one that never does is let go after ten minutes. */
const LONGEST_SILENCE_MS = 600_000

/** Requests that are never answered. */
export interface SilentReplies {
  hold(reply: FastifyReply): FastifyReply
  /** Closes their connections. */
  dropAll(): void
}

export function createSilentReplies(): SilentReplies {
  const held = new Set<FastifyReply['raw']>()
  return {
    hold(reply) {
      reply.hijack()
      const { raw } = reply
      if (raw.destroyed) return reply
      const timer = setTimeout(() => raw.destroy(), LONGEST_SILENCE_MS)
      held.add(raw)
      raw.once('close', () => {
        clearTimeout(timer)
        held.delete(raw)
      })
      return reply
    },
    dropAll() {
      for (const raw of held) raw.destroy()
    },
  }
}
