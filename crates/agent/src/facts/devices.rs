//! `devices`, `device_links`, `lvm`: block devices from sysfs, with the model, serial and links by which a volume is found.

use super::{Facts, put, read};
use crate::ctx::Ctx;
use crate::sys::mounts;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// Gathers them.
pub fn collect(ctx: &Ctx, out: &mut Facts) {
    let links = Links::read(Path::new("/dev/disk"), Path::new("/sys/block"));
    put(out, "devices", devices(Path::new("/sys/block"), &links));
    put(out, "device_links", links.show());
    put(out, "lvm", lvm(ctx));
}

/// Names under /dev/disk, by device.
#[derive(Default)]
struct Links {
    ids: BTreeMap<String, Vec<String>>,
    uuids: BTreeMap<String, Vec<String>>,
    labels: BTreeMap<String, Vec<String>>,
    masters: BTreeMap<String, Vec<String>>,
}

impl Links {
    fn read(dir: &Path, sys: &Path) -> Self {
        let by = |name: &str| -> BTreeMap<String, Vec<String>> {
            let mut out: BTreeMap<String, Vec<String>> = BTreeMap::new();
            for entry in std::fs::read_dir(dir.join(name)).into_iter().flatten().flatten() {
                let Some(target) = std::fs::read_link(entry.path())
                    .ok()
                    .and_then(|t| Some(t.file_name()?.to_string_lossy().into_owned()))
                else {
                    continue;
                };
                let link = mounts::unescape(&entry.file_name().to_string_lossy().replace("\\x20", " "));
                out.entry(target).or_default().push(link);
            }
            out.values_mut().for_each(|l| l.sort());
            out
        };
        let mut masters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for holder in names(sys) {
            for slave in names(&sys.join(&holder).join("slaves")) {
                masters.entry(slave).or_default().push(holder.clone());
            }
        }
        Links { ids: by("by-id"), uuids: by("by-uuid"), labels: by("by-label"), masters }
    }

    fn of(&self, device: &str) -> Value {
        let get = |map: &BTreeMap<String, Vec<String>>| map.get(device).cloned().unwrap_or_default();
        json!({"ids": get(&self.ids), "uuids": get(&self.uuids), "labels": get(&self.labels), "masters": get(&self.masters)})
    }

    fn show(&self) -> Value {
        json!({"ids": self.ids, "uuids": self.uuids, "labels": self.labels, "masters": self.masters})
    }

    fn uuid(&self, device: &str) -> Value {
        self.uuids.get(device).and_then(|l| l.first()).map_or(Value::Null, |u| json!(u))
    }
}

/// The names in a directory, sorted.
fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut out: Vec<String> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    out.sort();
    out
}

/// Sectors of 512 bytes as `8.00 GB`.
fn human(sectors: u64) -> String {
    let bytes = sectors as f64 * 512.0;
    let units = [("YB", 80), ("ZB", 70), ("EB", 60), ("PB", 50), ("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)];
    let fitting = units.iter().find(|(_, power)| bytes >= 2f64.powi(*power));
    fitting.map_or(format!("{bytes:.2} Bytes"), |(unit, power)| format!("{:.2} {unit}", bytes / 2f64.powi(*power)))
}

fn devices(sys: &Path, links: &Links) -> Value {
    let mut out = Map::new();
    for name in names(sys) {
        let dir = sys.join(&name);
        let attribute = |path: &str| read(dir.join(path));
        let text = |path: &str| attribute(path).map_or(Value::Null, |t| json!(t));
        let sectors = attribute("size").and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
        let sector_size = attribute("queue/logical_block_size").unwrap_or_else(|| "512".into());
        let mut device = crate::out! {
            // Ansible says 1 of every device with a link in sysfs, which is all of them.
            "virtual": 1,
            "links": links.of(&name), "vendor": text("device/vendor"), "model": text("device/model"),
            "sas_address": text("device/sas_address"), "sas_device_handle": text("device/sas_device_handle"),
            "removable": text("removable"), "support_discard": text("queue/discard_granularity"),
            "rotational": text("queue/rotational"), "sectors": sectors, "sectorsize": sector_size, "size": human(sectors),
            "host": "", "holders": holders(&dir),
        };
        // NVMe shows it beside the model, SCSI in its page 80; on Nitro it is the volume's id.
        if let Some(serial) = attribute("device/serial").or_else(|| attribute("serial")).or_else(|| page80(&dir)) {
            device.insert("serial".into(), json!(serial));
        }
        if let Some(wwn) = attribute("device/wwid").or_else(|| attribute("wwid")) {
            device.insert("wwn".into(), json!(wwn));
        }
        let scheduler = attribute("queue/scheduler").unwrap_or_default();
        let chosen = scheduler.split(['[', ']']).nth(1).map(str::to_string);
        device.insert("scheduler_mode".into(), json!(chosen.unwrap_or(scheduler)));
        let mut partitions = Map::new();
        for part in names(&dir).into_iter().filter(|p| p.starts_with(&name)) {
            let part_dir = dir.join(&part);
            let sectors = read(part_dir.join("size")).and_then(|s| s.parse::<u64>().ok()).unwrap_or(0);
            partitions.insert(
                part.clone(),
                json!({
                    "start": read(part_dir.join("start")).unwrap_or_else(|| "0".into()), "sectors": sectors,
                    "sectorsize": sector_size.parse::<u64>().unwrap_or(512), "size": human(sectors), "uuid": links.uuid(&part),
                    "links": links.of(&part), "holders": holders(&part_dir),
                }),
            );
        }
        device.insert("partitions".into(), Value::Object(partitions));
        out.insert(name, Value::Object(device));
    }
    Value::Object(out)
}

/// The serial number in a SCSI disk's vital product data.
fn page80(dir: &Path) -> Option<String> {
    let bytes = std::fs::read(dir.join("device/vpd_pg80")).ok()?;
    Some(String::from_utf8_lossy(bytes.get(4..)?).trim().trim_matches('\0').to_string()).filter(|s| !s.is_empty())
}

/// What sits on top of a device: mapped devices by their names.
fn holders(dir: &Path) -> Vec<String> {
    let holders = names(&dir.join("holders"));
    holders
        .into_iter()
        .map(|h| if h.starts_with("dm-") { read(dir.join("holders").join(&h).join("dm/name")).unwrap_or(h) } else { h })
        .collect()
}

/// Volume groups, logical and physical volumes; `N/A` where LVM can't be asked.
fn lvm(ctx: &Ctx) -> Value {
    if !rustix::process::geteuid().is_root() || ctx.which("vgs").is_none() {
        return json!("N/A");
    }
    let table = |program: &str, columns: &str| -> Vec<Vec<String>> {
        let words = [program, "--noheadings", "--nosuffix", "--units", "g", "--separator", ",", "-o", columns];
        let ran = ctx.run(&words).unwrap_or_default();
        ran.stdout.lines().map(|l| l.trim().split(',').map(str::to_string).collect()).collect()
    };
    let get = |row: &[String], i: usize| json!(row.get(i).cloned().unwrap_or_default());
    let mut groups = Map::new();
    for row in table("vgs", "vg_name,pv_count,lv_count,vg_size,vg_free") {
        let value = json!({"num_pvs": get(&row, 1), "num_lvs": get(&row, 2), "size_g": get(&row, 3), "free_g": get(&row, 4), "lvs": {}});
        groups.insert(row.first().cloned().unwrap_or_default(), value);
    }
    let mut volumes = Map::new();
    for row in table("lvs", "lv_name,vg_name,lv_size") {
        let (name, group) = (row.first().cloned().unwrap_or_default(), row.get(1).cloned().unwrap_or_default());
        if let Some(lvs) = groups.get_mut(&group).and_then(|g| g.get_mut("lvs")).and_then(Value::as_object_mut) {
            lvs.insert(name.clone(), json!({"size_g": get(&row, 2)}));
        }
        volumes.insert(name, json!({"size_g": get(&row, 2), "vg": group}));
    }
    let mut physical = Map::new();
    for row in table("pvs", "pv_name,vg_name,pv_size,pv_free") {
        let value = json!({"vg": get(&row, 1), "size_g": get(&row, 2), "free_g": get(&row, 3)});
        physical.insert(row.first().cloned().unwrap_or_default(), value);
    }
    json!({"lvs": volumes, "vgs": groups, "pvs": physical})
}

/// `fibre_channel_wwn`.
pub fn fibre_channel(_: &Ctx, out: &mut Facts) {
    let hosts = names(Path::new("/sys/class/fc_host"));
    let found: Vec<String> = hosts
        .iter()
        .filter_map(|h| read(format!("/sys/class/fc_host/{h}/port_name")))
        .map(|n| n.trim_start_matches("0x").to_string())
        .collect();
    put(out, "fibre_channel_wwn", found);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::Scratch;

    #[test]
    fn a_volume_on_nitro_is_found_by_serial_and_link() {
        let dir = Scratch::new();
        let write = |path: &str, text: &str| {
            let path = dir.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("sys/nvme1n1/size", "41943040\n");
        write("sys/nvme1n1/device/serial", "vol0123456789abcdef0\n");
        write("sys/nvme1n1/device/model", "Amazon Elastic Block Store              \n");
        write("sys/nvme1n1/queue/scheduler", "mq-deadline [none]\n");
        write("sys/nvme1n1/nvme1n1p1/size", "2048\n");
        write("sys/nvme1n1/nvme1n1p1/start", "2048\n");
        let by_id = dir.0.join("disk/by-id");
        std::fs::create_dir_all(&by_id).unwrap();
        std::os::unix::fs::symlink("../../nvme1n1", by_id.join("nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"))
            .unwrap();
        let links = Links::read(&dir.0.join("disk"), &dir.0.join("sys"));
        let found = devices(&dir.0.join("sys"), &links);
        let disk = &found["nvme1n1"];
        assert_eq!(disk["serial"], "vol0123456789abcdef0");
        assert_eq!(
            (&disk["model"], &disk["size"], &disk["scheduler_mode"]),
            (&json!("Amazon Elastic Block Store"), &json!("20.00 GB"), &json!("none"))
        );
        assert_eq!(disk["links"]["ids"], json!(["nvme-Amazon_Elastic_Block_Store_vol0123456789abcdef0"]));
        assert_eq!(disk["partitions"]["nvme1n1p1"]["size"], "1.00 MB");
    }
}
