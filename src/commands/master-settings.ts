import { loadSettings, type SettingsSources } from '../config/load-settings.js';
import type { Settings } from '../config/settings.js';
import { productionLayout } from '../ffrtmp/settings/production-layout.js';

/**
 * The settings of a master, whose file may have the layout of ffmpeg-rtmp's production deployment.
 * @param note takes what is done otherwise than that says
 */
export function masterSettings(
  { env = process.env, ...sources }: SettingsSources,
  note?: (text: string) => void,
): Settings {
  return loadSettings({ ...sources, env, layout: (content) => productionLayout(content, env, note) });
}
