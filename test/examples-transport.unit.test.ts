/** Runs the conformance suite on the transport of examples/transport/hub.ts and examples/transport/hub-transport.ts. */
import '../examples/transport/conformance.ts'
