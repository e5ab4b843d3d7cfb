import { createSocket } from 'node:dgram'
import { expect, test } from 'vitest'
import { freePort, host } from '../src/ports.ts'

test('a port is given once, to whichever process asks, also before anybody listens on it', async () => {
  const ports = await Promise.all(Array.from({ length: 200 }, () => freePort()))
  expect(new Set(ports).size).toBe(200)
  // What another process would meet.
  for (const port of ports) {
    const socket = createSocket('udp4')
    const taken = new Promise((resolve) => {
      socket.once('error', resolve)
      socket.once('listening', () => resolve(null))
    })
    socket.bind({ port, address: host, exclusive: true })
    expect(await taken).toMatchObject({ code: 'EADDRINUSE' })
    socket.close()
  }
})
