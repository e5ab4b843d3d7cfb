import type { Case } from './case.ts'
import { changedPassword, type CredentialWorld } from './credential-world.ts'

const refused = /refuses the credentials/
const sealed = /the vault is sealed/
const last = 20

/** What a transport promises when the password of its user changes. */
export const credentialCases: readonly Case<CredentialWorld>[] = [
  {
    name: 'with rotated credentials the relay and the groups come back with the new ones; commits go on meanwhile, and all of it is applied once and in order',
    async run(world) {
      await world.begin()
      await cutOff(world, refused)
      world.give(changedPassword)
      await world.applied(last)
      await world.secretsKept()
    },
  },
  {
    name: 'credentials that the server refuses are tried until it takes them again, and nothing is lost meanwhile',
    async run(world) {
      await world.begin()
      await cutOff(world, refused)
      await world.harness.change(world.harness.user.password)
      await world.applied(last)
      await world.secretsKept()
    },
  },
  {
    name: 'whoever gives the credentials may fail, at the start and later: it is told, and asked again',
    async run(world) {
      world.give(undefined)
      const beginning = world.begin()
      await world.told(sealed)
      world.give(world.harness.user.password)
      await beginning
      world.forget()
      world.give(undefined)
      await cutOff(world, sealed)
      world.give(changedPassword)
      await world.applied(last)
      await world.secretsKept()
    },
  },
]

/** The server takes another password than the services have. What they commit now waits. */
async function cutOff(world: CredentialWorld, says: RegExp): Promise<void> {
  await world.harness.change(changedPassword)
  await world.publish(2, last / 2)
  await world.told(says)
  await world.secretsKept()
  await world.publish(last / 2 + 1, last)
  world.nothingPast(last / 2)
}
