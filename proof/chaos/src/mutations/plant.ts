// Loaded into each process of a run before its own code (`node --import`), where the run is to have a bug.
import { registerHooks } from 'node:module'
import { mutations } from './list.ts'
import { type Edit, mutationVariable } from './mutation.ts'
import { applyEdit } from './source.ts'

const name = process.env[mutationVariable]
const mutation = mutations.find((one) => one.name === name)
if (mutation === undefined) throw new Error(`${mutationVariable}: there is no mutation ${JSON.stringify(name)}`)

const isSql = ({ file }: Edit): boolean => file.endsWith('.sql')
const sqlEdits = mutation.edits.filter(isSql).map(({ find, replace }) => ({ find, replace }))

/** Migrations are no modules: they are changed where they are read. */
const migrationEdit: Edit = {
  file: 'postgres/src/migration-files.ts',
  find: "replaceAll('\\r\\n', '\\n')",
  replace: `replaceAll('\\r\\n', '\\n')${sqlEdits.map(({ find, replace }) => `.replace(${JSON.stringify(find)}, ${JSON.stringify(replace)})`).join('')}`,
}
const edits = [...mutation.edits.filter((edit) => !isSql(edit)), ...(sqlEdits.length === 0 ? [] : [migrationEdit])]

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context)
    const mine = edits.filter(({ file }) => url.endsWith(`/packages/${file}`))
    if (mine.length === 0) return loaded
    const text = typeof loaded.source === 'string' ? loaded.source : Buffer.from(loaded.source as Uint8Array).toString()
    return { ...loaded, source: mine.reduce(applyEdit, text) }
  },
})
