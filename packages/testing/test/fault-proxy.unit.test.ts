import { eventually, startFaultProxy } from '@acuse/testing'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { expect, it, onTestFinished } from 'vitest'

/** A server that answers with what it gets, and a proxy before it. */
async function echoBehindProxy(): Promise<{
  proxy: Awaited<ReturnType<typeof startFaultProxy>>
  dial: () => Promise<Socket>
}> {
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: address.port })
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]()
    server.close()
  })
  const dial = async (): Promise<Socket> => {
    const socket = connect(proxy.port, '127.0.0.1')
    socket.on('error', () => undefined)
    await once(socket, 'connect')
    return socket
  }
  return { proxy, dial }
}

/** `once` would reject with the error that a reset brings. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => (socket.destroyed ? resolve() : socket.on('close', () => resolve())))
}

async function echo(socket: Socket, text: string, timeoutMs = 5_000): Promise<string> {
  let got = ''
  const onData = (chunk: Buffer): void => void (got += chunk.toString())
  socket.on('data', onData)
  socket.write(text)
  await eventually(
    () => {
      if (got.length < text.length) throw new Error(`got ${got.length} of ${text.length}`)
    },
    { timeoutMs },
  )
  socket.off('data', onData)
  return got
}

it('passes bytes on, whole, late, or one at a time', async () => {
  const { proxy, dial } = await echoBehindProxy()
  const socket = await dial()
  const text = 'x'.repeat(300_000)
  expect(await echo(socket, text)).toBe(text)
  proxy.set({ kind: 'slices' })
  expect(await echo(socket, 'one by one')).toBe('one by one')
  proxy.set({ kind: 'delay', delayMs: 30 })
  const startedMs = performance.now()
  await echo(socket, 'late')
  expect(performance.now() - startedMs).toBeGreaterThan(55)
  socket.destroy()
})

it('swallows bytes in one direction while the connection looks alive', async () => {
  const { proxy, dial } = await echoBehindProxy()
  const socket = await dial()
  await echo(socket, 'up')
  proxy.set({ kind: 'black-hole', towards: 'client' })
  await expect(echo(socket, 'lost', 300)).rejects.toThrow(/got 0 of 4/)
  expect(socket.destroyed).toBe(false)
  expect(proxy.connections).toBe(1)
  proxy.set({ kind: 'pass' })
  await expect(echo(socket, 'out of order', 300)).rejects.toThrow(/got 0 of 12/)
  const other = await dial()
  expect(await echo(other, 'a new one')).toBe('a new one')
  socket.destroy()
  other.destroy()
})

it('survives a client that goes away while the server still writes to it', async () => {
  const { proxy, dial } = await echoBehindProxy()
  proxy.set({ kind: 'delay', delayMs: 20 })
  const sockets = await Promise.all([dial(), dial(), dial()])
  for (const socket of sockets) socket.write('x'.repeat(3_000_000))
  await eventually(() => {
    if (sockets.every(({ bytesRead }) => bytesRead === 0)) throw new Error('nothing came back yet')
  })
  for (const socket of sockets) socket.resetAndDestroy()
  await eventually(() => {
    if (proxy.connections > 0) throw new Error('still open')
  })
  proxy.set({ kind: 'pass' })
  const next = await dial()
  expect(await echo(next, 'still there')).toBe('still there')
  next.destroy()
})

it('resets, and refuses', async () => {
  const { proxy, dial } = await echoBehindProxy()
  const socket = await dial()
  await echo(socket, 'up')
  proxy.reset()
  await closed(socket)
  proxy.set({ kind: 'refuse' })
  const refused = connect(proxy.port, '127.0.0.1')
  refused.on('error', () => undefined)
  await closed(refused)
  proxy.set({ kind: 'pass' })
  const again = await dial()
  expect(await echo(again, 'back')).toBe('back')
  again.destroy()
})
