import type { Db } from '../db.ts'

/** Groups by the small number that stands for them in the tables. */
export interface Groups {
  /** The number of `group`, registering it when it is new. */
  idOf(group: string): Promise<number>
  /** The number of `group`, or undefined when it was never registered. */
  find(group: string): Promise<number | undefined>
}

/** Registers `names` at once; other groups are registered when they first appear. */
export async function openGroups(db: Db, names: readonly string[]): Promise<Groups> {
  const known = new Map<string, number>()

  async function find(group: string): Promise<number | undefined> {
    const cached = known.get(group)
    if (cached !== undefined) return cached
    const [row] = await db.query<{ id: number }>(`select id from ${db.schema}.inbox_group where name = $1`, [group])
    if (row !== undefined) known.set(group, row.id)
    return row?.id
  }

  async function register(group: string): Promise<number> {
    await db.query(`insert into ${db.schema}.inbox_group (name) values ($1) on conflict do nothing`, [group])
    const id = await find(group)
    if (id === undefined)
      throw new Error(`The group ${group} was removed from ${db.schema}.inbox_group while it was being registered.`)
    return id
  }

  const groups: Groups = { find, idOf: async (group) => (await find(group)) ?? (await register(group)) }
  for (const name of names) await groups.idOf(name)
  return groups
}
