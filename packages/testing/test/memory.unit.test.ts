import { testStore, testTransport } from '../src/conformance.ts'
import { memoryLogHarness, memoryStoreHarness, memoryTransportHarness } from './memory-harness.ts'

testStore('in memory', async () => memoryStoreHarness())
testTransport('in memory', async () => memoryTransportHarness())
testTransport('log of the in-memory store', async () => memoryLogHarness())
