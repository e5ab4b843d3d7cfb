import * as contracts from '@acuse-services/contracts'
import { type AnyMessageType, asyncApi } from '@acuse/core'
import { readFile, writeFile } from 'node:fs/promises'
import { expect, it } from 'vitest'

const file = new URL('../asyncapi.json', import.meta.url)

function isMessageType(value: unknown): value is AnyMessageType {
  return typeof value === 'function' && 'stream' in value && 'keyOf' in value
}

it('asyncapi.json is the catalogue of every message type (UPDATE_GOLDEN=1 writes it anew)', async () => {
  const types = Object.values<unknown>(contracts).filter(isMessageType)
  expect(types.length).toBeGreaterThanOrEqual(18)
  const info = { title: 'Marketplace', version: '1.0.0', description: 'The events of orders, inventory and payments.' }
  const catalogue = `${JSON.stringify(asyncApi(info, types), null, 2)}\n`
  if (process.env['UPDATE_GOLDEN'] === '1') await writeFile(file, catalogue)
  expect(await readFile(file, 'utf8')).toBe(catalogue)
})
