import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { EmbeddedServerError } from './errors.ts'

/** All servers listen here and nowhere else. */
export const host = '127.0.0.1'

/**
 * Ports are drawn from below the range systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere).
 * Inside it, a client that reconnects while the server is down can be given the server's own port and connect to itself.
 */
const firstPort = 20_000
const lastPort = 29_999

/** Whether the port can be listened on now. */
export async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}

/** A free port; another process may still take it before the server does. */
export async function freePort(): Promise<number> {
  for (let draw = 0; draw < 100; draw++) {
    const port = randomInt(firstPort, lastPort + 1)
    if (await isFree(port)) return port
  }
  throw new EmbeddedServerError(`100 ports drawn between ${firstPort} and ${lastPort} on ${host} were all taken.`)
}

/** Whether a number can be a port at all. */
export function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535
}

/** @throws EmbeddedServerError (`ACUSE_CONFIGURATION`) for a number that is no port. */
export function checkPort(port: number): void {
  if (isPort(port)) return
  throw new EmbeddedServerError(`${port} is no port: it must be 1 to 65535, or left out to have one chosen.`, {
    code: 'ACUSE_CONFIGURATION',
  })
}
