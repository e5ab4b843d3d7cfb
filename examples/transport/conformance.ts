import { systemClock } from '@acuse/core'
import { testTransport } from '@acuse/testing/conformance'
import { HubTransport } from './hub-transport.ts'
import { Hub } from './hub.ts'

// #region conformance
/** The hub answers at once, so nothing needs to be waited for. */
const fast = { quietMs: 30, ackStoredMs: 10 }

testTransport(
  'hub',
  async () => {
    const hub = new Hub()
    const opened = new Map<unknown, HubTransport>()
    return {
      async open(instance) {
        const transport = new HubTransport(hub, {
          service: 'conformance',
          instance,
          clock: systemClock,
          onError: () => {},
        })
        opened.set(transport, transport)
        return transport
      },
      async crash(transport) {
        opened.get(transport)?.crash()
      },
      async restartServer() {
        hub.restart()
      },
      refused: (message) => ({ ...message, body: new Uint8Array(3_000_000) }),
      async dispose() {},
    }
  },
  fast,
)
// #endregion
