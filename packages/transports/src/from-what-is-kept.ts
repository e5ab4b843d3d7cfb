import type { Transport, TransportFactory } from '@acuse/core'

/**
 * Lets groups that ask for `earliest` or a time begin with whatever the transport still has. One without history has nothing from
 * before, so there they begin now: start who consumes before who publishes, or what was published between them is not applied.
 */
export function fromWhatIsKept(open: TransportFactory): TransportFactory {
  return async (context) => {
    const transport = await open(context)
    return transport.capabilities.history ? transport : beginningNow(transport)
  }
}

function beginningNow(transport: Transport): Transport {
  const { name, identity, capabilities } = transport
  return {
    name,
    identity,
    capabilities,
    publish: (batch, signal) => transport.publish(batch, signal),
    consume: (source, sink) => transport.consume({ ...source, from: 'now' }, sink),
    [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose](),
  }
}
