import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * Below the ports that systems give to outgoing connections (from 32768 on Linux). A service that was killed comes back
 * on its port; from up there some client's connection might have taken it meanwhile, or have connected to itself.
 */
const FIRST_PORT = 10_000
const LAST_PORT = 19_999

/** A port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let draw = 0; draw < 100; draw += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1)
    if (await isFree(port)) return port
  }
  throw new Error(`100 ports drawn between ${FIRST_PORT} and ${LAST_PORT} were all taken`)
}

async function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host: '127.0.0.1', exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
