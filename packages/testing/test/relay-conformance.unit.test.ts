import { AcuseError, type ErrorCode, systemClock, type WireMessage } from '@acuse/core'
import { memoryTransport } from '@acuse/testing'
import { testRelay } from '@acuse/testing/conformance'

testRelay('in memory', async () => {
  const transport = memoryTransport(systemClock)
  const refuse = (which: (message: WireMessage) => boolean, code: ErrorCode): (() => void) =>
    transport.failPublish(which, new AcuseError(code, `it is refused in memory: ${code}`))
  const stall = async ({ stream }: { readonly stream: string }): Promise<() => Promise<void>> => {
    const mend = refuse((message) => message.stream === stream, 'ACUSE_DESTINATION_UNAVAILABLE')
    return async () => mend()
  }
  return {
    publisher: transport,
    consumer: transport,
    forbid: stall,
    fill: stall,
    misroute: stall,
    async limit() {
      const mend = refuse(({ body }) => body.byteLength > 1_000, 'ACUSE_MESSAGE_TOO_LARGE')
      return { tooMany: 1_000, names: /in memory/, raise: async () => mend() }
    },
    dispose: async () => undefined,
  }
})
