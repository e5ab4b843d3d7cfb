import { connect } from 'node:net'
import { host } from './ports.ts'

const timeoutMs = 5_000

/**
 * Connects to a port, sends something, and gives all that has come to `answer` until that makes something of it.
 *
 * @throws Error when nobody answers so within 5 s, and what `answer` throws.
 */
export async function converse<T>(
  port: number,
  send: string | Buffer,
  answer: (received: Buffer) => T | undefined,
): Promise<T> {
  const socket = connect({ port, host, timeout: timeoutMs })
  try {
    return await new Promise<T>((resolve, reject) => {
      let received: Buffer = Buffer.alloc(0)
      socket.once('error', reject)
      socket.once('timeout', () => reject(new Error(`Port ${port} did not answer within ${timeoutMs} ms.`)))
      socket.once('close', () =>
        reject(new Error(`Port ${port} closed the connection after "${received.toString()}".`)),
      )
      socket.on('data', (chunk: Buffer) => {
        received = Buffer.concat([received, chunk])
        try {
          const understood = answer(received)
          if (understood !== undefined) resolve(understood)
        } catch (error) {
          reject(error)
        }
      })
      socket.write(send)
    })
  } finally {
    socket.destroy()
  }
}
