import { parseSync, Visitor } from 'oxc-parser'

/**
 * The texts of a file outside its comments: what it calls its tests is among them, whether as `it('…')`, as the name of a case
 * that is data, or as a row of `it.each`. A name that is put together while the tests run is not.
 */
export function testNamesIn(path: string, text: string): ReadonlySet<string> {
  const { program, errors } = parseSync(path, text)
  const failure = errors[0]
  if (failure !== undefined) throw new Error(`${path} cannot be parsed: ${failure.message}`)
  const names = new Set<string>()
  new Visitor({
    Literal: ({ value }) => {
      if (typeof value === 'string') names.add(value)
    },
  }).visit(program)
  return names
}
