import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

/** All servers listen here and nowhere else. */
export const host = '127.0.0.1'

/**
 * Below the range that Linux gives to outgoing connections, so that nobody is given a server's port while it is down, and
 * apart from the ports 20,000 to 29,999 that the embedded PostgreSQL draws from.
 */
const firstPort = 10_000
const lastPort = 19_999

/** A port on 127.0.0.1 that is free, and that neither this process nor another that asks here has been given. */
export async function freePort(): Promise<number> {
  for (let draw = 0; draw < 200; draw++) {
    const port = randomInt(firstPort, lastPort + 1)
    if ((await isFree(port)) && (await reserve(port))) return port
  }
  throw new Error(`200 ports drawn between ${firstPort} and ${lastPort} on ${host} were all taken.`)
}

/**
 * Takes the port of UDP with this number, for as long as this process lives: no server here uses it, and a server may listen seconds after
 * its port was drawn, when another process would still find it free.
 */
async function reserve(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  return await new Promise((resolve) => {
    socket.once('error', () => {
      socket.close()
      resolve(false)
    })
    socket.bind({ port, address: host, exclusive: true }, () => {
      socket.unref()
      resolve(true)
    })
  })
}

async function isFree(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)))
  })
}
