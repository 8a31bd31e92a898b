//! What the simulated pizzeria sells, to whom, and who makes it.
//!
//! Data only. All of it is invented; the first customer is the one of the documents' example, by name and id.

/// Somebody with an account.
#[derive(Debug, Clone, Copy)]
pub(super) struct Customer {
    pub id: &'static str,
    pub name: &'static str,
    pub phone: &'static str,
}

/// The two customers who have a column of the page.
pub(super) const EVDOKIM: Customer =
    customer("4920737570657261646d696e", "Евдоким Субботин", "+38(071)000-00-00");
pub(super) const MARFA: Customer = customer("5f1d7ab26c0e4a3b9d2e8f10", "Марфа Зимина", "+38(071)000-00-01");

/// Customers who are not on the page: nobody but the staff sees their orders there.
pub(super) const OTHERS: [Customer; 2] = [
    customer("5f1d7ab26c0e4a3b9d2e8f11", "Тихон Ясный", "+38(071)000-00-02"),
    customer("5f1d7ab26c0e4a3b9d2e8f12", "Ульяна Громова", "+38(071)000-00-03"),
];

/// Who orders by telephone, without an account.
pub(super) const GUESTS: [&str; 4] = ["Гость, столик 4", "Аркадий", "Лидия", "Контора «Рога»"];

pub(super) const ADDRESSES: [&str; 4] =
    ["ул. Садовая, 12, кв. 7", "пр. Мира, 3, подъезд 2", "ул. Вишнёвая, 40", "пер. Тихий, 5, офис 31"];

pub(super) const REMARKS: [&str; 4] =
    ["Без лука, пожалуйста", "Домофон не работает, позвоните", "Приборы на троих", "Сдача с 1000"];

pub(super) struct Dish {
    pub id: &'static str,
    pub title: &'static str,
    pub ingredients: &'static [&'static str],
    pub cost: i32,
    pub weight: i32,
}

pub(super) const DISHES: [Dish; 8] = [
    dish("625ab27addbcb27222de9101", "Маргарита", &["томаты", "моцарелла", "базилик"], 390, 450),
    dish("625ab27addbcb27222de9102", "Пепперони", &["пепперони", "моцарелла", "томатный соус"], 470, 510),
    dish("625ab27addbcb27222de9103", "Четыре сыра", &["моцарелла", "дорблю", "пармезан", "чеддер"], 560, 480),
    dish("625ab27addbcb27222de9104", "Ролл «Филадельфия»", &["лосось", "сливочный сыр", "рис"], 420, 260),
    dish("625ab27addbcb27222de9105", "Ролл с угрём", &["угорь", "огурец", "рис", "унаги"], 380, 240),
    dish("625ab27addbcb27222de9106", "Борщ со сметаной", &["свёкла", "говядина", "сметана"], 210, 350),
    dish("625ab27addbcb27222de9107", "Медовик", &["мёд", "сметанный крем"], 180, 140),
    dish("625ab27addbcb27222de9108", "Морс клюквенный", &["клюква"], 90, 400),
];

pub(super) struct Recipe {
    pub name: &'static str,
    pub description: Option<&'static str>,
    pub image: &'static str,
    /// In hundredths, for the smallest size.
    pub price_hundredths: i64,
}

pub(super) const RECIPES: [Recipe; 6] = [
    recipe("Маргарита", Some("Томаты, моцарелла, базилик"), "/img/margherita.png", 38_990),
    recipe("Пепперони", Some("Острая и хрустящая"), "/img/pepperoni.png", 46_950),
    recipe("Четыре сыра", None, "/img/quattro.png", 55_900),
    recipe("Деревенская", Some("Картофель, бекон, лук"), "/img/village.png", 44_900),
    recipe("Грибная", None, "/img/funghi.png", 42_925),
    recipe("Диабло", Some("Осторожно: халапеньо"), "/img/diavola.png", 49_999),
];

/// A pizza manager, and the store that they work in.
pub(super) struct Author {
    pub uuid: &'static str,
    pub store: i32,
}

/// The store whose screen is a column of the page.
pub(super) const STORE: i32 = 7;

/// Store 8 is next door, and its pizzas are nothing to store 7.
pub(super) const AUTHORS: [Author; 3] = [
    Author { uuid: "0b6c2f0e-6f0a-4c53-9d0e-2f6b8a1c7701", store: STORE },
    Author { uuid: "0b6c2f0e-6f0a-4c53-9d0e-2f6b8a1c7702", store: STORE },
    Author { uuid: "0b6c2f0e-6f0a-4c53-9d0e-2f6b8a1c8801", store: 8 },
];

const fn customer(id: &'static str, name: &'static str, phone: &'static str) -> Customer {
    Customer { id, name, phone }
}

const fn dish(
    id: &'static str,
    title: &'static str,
    ingredients: &'static [&'static str],
    cost: i32,
    weight: i32,
) -> Dish {
    Dish { id, title, ingredients, cost, weight }
}

const fn recipe(
    name: &'static str,
    description: Option<&'static str>,
    image: &'static str,
    price_hundredths: i64,
) -> Recipe {
    Recipe { name, description, image, price_hundredths }
}
