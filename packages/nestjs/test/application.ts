import { testBus, type TestBus, type TestBusOptions } from '@acuse/testing'
import type { ModuleMetadata } from '@nestjs/common'
import { Test, type TestingModule } from '@nestjs/testing'
import { onTestFinished } from 'vitest'
import { AcuseModule, busToken } from '../src/index.ts'

/** A store that must never be opened: the tests that name it put a test bus in place of the bus. */
export const notOpened = {
  service: 'orders',
  store: (): Promise<never> => Promise.reject(new Error('the store of the real bus was opened')),
}

/** Compiles modules with a test bus in place of the default bus. */
export async function compiled(
  metadata: ModuleMetadata,
  options: TestBusOptions = {},
): Promise<{ module: TestingModule; test: TestBus }> {
  const test = await testBus({ service: 'orders', start: false, ...options })
  const module = await Test.createTestingModule({
    ...metadata,
    imports: [AcuseModule.forRoot(notOpened), ...(metadata.imports ?? [])],
  })
    .overrideProvider(busToken())
    .useValue(test.bus)
    .compile()
  module.useLogger(false)
  return { module, test }
}

/** The same, started; closed when the test ends. */
export async function started(
  metadata: ModuleMetadata,
  options: TestBusOptions = {},
): Promise<{ module: TestingModule; test: TestBus }> {
  const { module, test } = await compiled(metadata, options)
  await module.init()
  onTestFinished(() => module.close())
  await test.settle()
  return { module, test }
}
