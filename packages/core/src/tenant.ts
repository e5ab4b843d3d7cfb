import { derivedId } from './ids.ts'

/**
 * Nothing of two tenants ever meets: not their ids in an inbox, their keys in a lane, or their sagas, whatever they choose to call them.
 * That is settled once, where a message is made, so stores and transports need not know of tenants.
 */

/** The id of a message for which the application chose `id`: the same for the same tenant and id, another one for another tenant. */
export function idWithin(tenant: string | null, id: string): string {
  return tenant === null ? id : derivedId('tenant', tenant, id)
}

/** The key that routes and orders a tenant's message. Handlers and the envelope have it as the type says. */
export function keyWithin(tenant: string | null, key: string): string {
  return tenant === null ? key : placeOf(tenant, key)
}

/** The id under which a saga is stored. A saga of nobody's whose id looks like a tenant's is marked, so that they cannot meet. */
export function sagaWithin(tenant: string | null, sagaId: string): string {
  if (tenant !== null) return placeOf(tenant, sagaId)
  return sagaId.startsWith('@') ? `@/${sagaId}` : sagaId
}

/** A tenant's own `/` is written otherwise, so the first one ends its name. */
function placeOf(tenant: string, name: string): string {
  return `@${tenant.replaceAll('%', '%25').replaceAll('/', '%2F')}/${name}`
}
