import { readFile } from 'node:fs/promises'
import { parseSync, type TSInterfaceDeclaration } from 'oxc-parser'
import { expect, it } from 'vitest'

/** The names of what can be called on an interface: its methods, and its properties that are functions. Plain data does not count. */
async function methodsOf(file: string, name: string): Promise<string[]> {
  const text = await readFile(new URL(`../${file}`, import.meta.url), 'utf8')
  const { program, errors } = parseSync(file, text)
  expect(errors).toEqual([])
  const declarations = program.body.flatMap((statement) =>
    statement.type === 'ExportNamedDeclaration' && statement.declaration?.type === 'TSInterfaceDeclaration'
      ? [statement.declaration]
      : [],
  )
  const found = declarations.find(({ id }) => id.name === name)
  if (found === undefined) throw new Error(`${file} declares no interface ${name}`)
  return [...inherited(found), ...own(found, text)]
}

function own({ body }: TSInterfaceDeclaration, text: string): string[] {
  return body.body.flatMap((member) => {
    const isMethod = member.type === 'TSMethodSignature'
    const isFunction =
      member.type === 'TSPropertySignature' && member.typeAnnotation?.typeAnnotation.type === 'TSFunctionType'
    return isMethod || isFunction ? [text.slice(member.key.start, member.key.end)] : []
  })
}

/** A port that disposes of itself has that method too. */
function inherited({ extends: parents }: TSInterfaceDeclaration): string[] {
  return parents.flatMap(({ expression }) =>
    expression.type === 'Identifier' && expression.name === 'AsyncDisposable' ? ['[Symbol.asyncDispose]'] : ['unknown'],
  )
}

it('Transport has at most three methods', async () => {
  expect(await methodsOf('packages/core/src/transport.ts', 'Transport')).toEqual([
    '[Symbol.asyncDispose]',
    'publish',
    'consume',
  ])
})

it('SqlClient has at most three methods', async () => {
  expect(await methodsOf('packages/postgres/src/sql-client.ts', 'SqlClient')).toEqual([
    'transaction',
    'query',
    'isTransaction',
  ])
})
