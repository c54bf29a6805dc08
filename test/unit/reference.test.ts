// The reference pages say what the code says. Set UPDATE_GOLDEN=1 to write their generated parts anew.
import { test } from 'node:test'
import { assertGenerated } from '../support/reference.ts'
import { optionParts } from '../support/reference-options.ts'
import { settingParts } from '../support/reference-settings.ts'

test('docs/options.md', () => assertGenerated('options.md', optionParts()))

test('docs/settings.md', () => assertGenerated('settings.md', settingParts()))
