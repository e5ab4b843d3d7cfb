export { type Service, startInventory } from './service.ts'
export { type Settings, settingsFrom } from './settings.ts'
