"""What people call sheets and columns in their own files, beside the titles in the message catalogues."""

from __future__ import annotations

SHEET_ALIASES: dict[str, tuple[str, ...]] = {
    "materials": ("物料表", "物料清单", "产品", "物料主数据", "material", "items"),
    "calendars": ("日历", "工作日历", "班次", "calendar", "shifts"),
    "calendar_exceptions": ("日历例外", "节假日", "例外日", "exceptions", "holidays"),
    "work_centres": ("工作中心", "work centers", "workcenters"),
    "equipment": ("设备", "设备清单", "设备表", "machines"),
    "setup_matrix": ("换型矩阵", "换型时间", "切换矩阵", "setups"),
    "reasons": ("原因", "原因代码", "reason"),
    "workers": (
        "员工",
        "员工表",
        "人员名单",
        "人员资质",
        "技能矩阵",
        "worker",
        "people",
        "staff",
        "employees",
        "operators",
    ),
    "inspection_plans": ("检验计划", "检验方案", "检验项目", "inspection plan"),
    "routings": ("工艺路线", "工艺", "工序", "routing", "operations"),
    "orders": ("订单", "生产订单", "工单", "生产计划", "order", "production orders"),
    "site": ("工厂", "站点", "设置"),
}

_ORDERS: dict[str, tuple[str, ...]] = {
    "no": ("订单号", "工单号", "生产单号", "单号", "order no", "order number", "order"),
    "material": ("物料编号", "产品编号", "产品", "料号", "品号", "物料编码", "产品编码", "product", "item", "part no"),
    "qty": ("订单数量", "计划数量", "生产数量", "quantity"),
    "uom": ("计量单位", "unit"),
    "release_at": ("开始日期", "下达时间", "计划开工", "开工日期", "release", "release date", "start date"),
    "due_at": ("交货日期", "交货期", "完工日期", "需求日期", "due", "due date"),
    "customer": ("客户名称", "客户简称"),
}

COLUMN_ALIASES: dict[str, dict[str, tuple[str, ...]]] = {
    "orders": _ORDERS,
    "materials": {
        "no": ("物料编码", "料号", "品号", "产品编号", "编码", "material", "material no", "item", "part no"),
        "name_zh": ("名称", "物料名称", "品名", "产品名称", "name"),
        "stock_uom": ("单位", "计量单位", "unit"),
    },
    "equipment": {
        "no": ("设备编码", "机台号", "机台", "machine", "machine no"),
        "name_zh": ("名称", "设备名称", "name"),
    },
    "work_centres": {"no": ("工作中心编号", "编码", "work centre", "work center"), "name_zh": ("名称", "name")},
    "workers": {
        "code": ("员工编号", "人员编号", "员工号", "worker", "worker no", "employee no"),
        "name_zh": ("姓名", "名称", "name"),
        "skills": ("资质", "技能资质", "qualifications"),
    },
    "routings": {
        "product": ("产品编号", "物料编号", "料号", "物料", "material", "item"),
        "seq": ("工序", "序号", "operation no"),
        "name_zh": ("工序名称", "工序名", "operation"),
        "alternatives": ("机台", "设备", "machines"),
        "supplier": ("外协厂", "外协供应商"),
    },
}
