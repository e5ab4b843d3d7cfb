import { randomUUID } from 'node:crypto'
import { converse } from '../src/conversation.ts'

/** Publishes to a subject of JetStream or of a stream, and answers the JSON that comes back. */
export async function askNats(port: number, subject: string, question: object): Promise<string> {
  const inbox = `_INBOX.${randomUUID()}`
  const body = JSON.stringify(question)
  const request = `CONNECT {"verbose":false}\r\nSUB ${inbox} 1\r\nPUB ${subject} ${inbox} ${body.length}\r\n${body}\r\n`
  return await converse(port, request, (received) => /\r\nMSG [^]*?\r\n(\{.*\})\r\n/.exec(received.toString())?.[1])
}
