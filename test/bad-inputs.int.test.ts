import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { databaseCases } from './bad-inputs/database.ts'
import { handlerCases } from './bad-inputs/handlers.ts'
import { shownElsewhere } from './bad-inputs/elsewhere.ts'
import { nameCases } from './bad-inputs/names.ts'
import { operatorCases } from './bad-inputs/operator.ts'
import { payloadCases } from './bad-inputs/payloads.ts'
import { poolerCases } from './bad-inputs/pooler.ts'
import { closeShops, openAdmin } from './bad-inputs/shop.ts'

/** Every bad input and fault of docs/guarantees.md, by its number there. */
const cases = [...payloadCases, ...nameCases, ...handlerCases, ...databaseCases, ...poolerCases, ...operatorCases]

beforeAll(openAdmin)
afterAll(closeShops)

describe('bad inputs and faults', () => {
  it.each(cases.map((one) => [one.n, one.what, one] as const))('%i. %s', async (_n, _what, one) => {
    await one.run()
  })

  it('are the table of docs/guarantees.md, with what other tests show', async () => {
    const here = cases.map(({ n }) => n)
    const elsewhere = [...shownElsewhere.keys()]
    const numbers = [...new Set([...here, ...elsewhere])].toSorted((a, b) => a - b)
    expect(numbers).toEqual(Array.from({ length: 52 }, (_, index) => index + 1))
    for (const [file, test] of shownElsewhere.values()) {
      expect(await readFile(new URL(`../${file}`, import.meta.url), 'utf8'), file).toContain(test)
    }
    const guarantees = await readFile(new URL('../docs/guarantees.md', import.meta.url), 'utf8')
    for (const n of numbers) expect(guarantees).toMatch(new RegExp(`^\\| ${n} \\|`, 'm'))
  })
})
