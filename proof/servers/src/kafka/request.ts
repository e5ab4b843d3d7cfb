import { converse } from '../conversation.ts'

const metadata = { key: 3, version: 0 } as const

/** An array of nothing, which asks for the metadata of all topics. */
const everything = Buffer.alloc(4)

/** Sends one request of Kafka's protocol, by the key and version of its API, and answers the body of the response. */
export async function request(port: number, key: number, version: number, body: Buffer): Promise<Buffer> {
  const header = Buffer.alloc(10)
  header.writeInt16BE(key, 0)
  header.writeInt16BE(version, 2)
  // A correlation id of 0, and no name for the client.
  header.writeInt16BE(-1, 8)
  const size = Buffer.alloc(4)
  size.writeInt32BE(header.length + body.length)
  return await converse(port, Buffer.concat([size, header, body]), (received) => {
    if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return undefined
    return received.subarray(8)
  })
}

/** What a broker knows of its cluster. */
export async function askMetadata(port: number): Promise<Buffer> {
  return await request(port, metadata.key, metadata.version, everything)
}

/** How many brokers a broker knows, itself with them. */
export async function countBrokers(port: number): Promise<number> {
  return (await askMetadata(port)).readInt32BE(0)
}
