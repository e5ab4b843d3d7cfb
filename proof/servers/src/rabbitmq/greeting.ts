import { converse } from '../conversation.ts'

const protocolHeader = Buffer.from('AMQP\0\0\x09\x01', 'latin1')

/** Frame header, then Connection.Start: class 10, method 10. */
const startMethod = Buffer.from([0, 10, 0, 10])
const frameHeaderBytes = 7

/** In the table of the server's properties: the name after its length, and the type S, a string after its length. */
const versionField = Buffer.from('\x07versionS', 'latin1')

/**
 * Greets an AMQP 0-9-1 port, and answers the version that the server says it has.
 *
 * @throws Error when it does not answer as such a server does.
 */
export async function greet(port: number): Promise<string> {
  return await converse(port, protocolHeader, (received) => {
    if (!received.subarray(frameHeaderBytes).subarray(0, startMethod.length).equals(startMethod)) return undefined
    const field = received.indexOf(versionField)
    const text = field + versionField.length + 4
    if (field < 0 || received.length < text) return undefined
    const length = received.readUInt32BE(text - 4)
    return received.length < text + length ? undefined : received.toString('utf8', text, text + length)
  })
}
