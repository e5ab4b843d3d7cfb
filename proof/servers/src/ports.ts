import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/** All servers listen here and nowhere else. */
export const host = '127.0.0.1'

/**
 * Below the range that Linux gives to outgoing connections, so that nobody is given a server's port while it is down, and
 * apart from the ports 20,000 to 29,999 that the embedded PostgreSQL draws from.
 */
const firstPort = 10_000
const lastPort = 19_999

const given = new Set<number>()

/** A port on 127.0.0.1 that is free, and that this process has not given before. */
export async function freePort(): Promise<number> {
  for (let draw = 0; draw < 200; draw++) {
    const port = randomInt(firstPort, lastPort + 1)
    if (given.has(port) || !(await isFree(port))) continue
    given.add(port)
    return port
  }
  throw new Error(`200 ports drawn between ${firstPort} and ${lastPort} on ${host} were all taken.`)
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
